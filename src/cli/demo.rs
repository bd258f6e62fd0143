//! `kith demo`: a server with an invented town in it, to try everything on.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::serve::{open, start};
use super::{Failure, say};
use crate::clock::Clock;
use crate::config::{Config, LogConfig, base_url};
use crate::demo::{self, Credentials};
use crate::files;
use crate::logging;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder to keep the town in; without it a temporary one, which is removed at the end
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// File to write the credentials to, as JSON
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// Address to listen on
    #[arg(long, env = "KITH_HOST", default_value = "127.0.0.1", value_name = "ADDRESS")]
    host: IpAddr,
    /// Port to listen on; 0 picks a free one
    #[arg(long, env = "KITH_PORT", default_value_t = 8080, value_name = "PORT")]
    port: u16,
    /// Address under which others reach the demo, such as https://kith.example.ca; else the one it listens on, if the port is given
    #[arg(long, env = "KITH_BASE_URL", value_name = "URL", value_parser = base_url)]
    base_url: Option<String>,
    /// Lets anybody read the directory of services, and ask what in it fits somebody (POST /v1/matches, POST /v1/eligibility-checks), without a
    /// token
    #[arg(long)]
    public_directory: bool,
    #[command(flatten)]
    log: LogConfig,
}

/// How to reach the demo, as `--credentials` writes it.
#[derive(Debug, Serialize, Deserialize)]
struct Access {
    base_url: String,
    clients: Vec<Credentials>,
}

impl Access {
    fn write(&self, file: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        let written = files::private().write(true).truncate(true).open(file).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| Failure::because(format!("cannot write {}: {error}", file.display())))
    }

    fn say(&self) -> Result<(), Failure> {
        say(format_args!("Alder Falls is open: {}/docs\n", self.base_url))?;
        for client in &self.clients {
            say(format_args!("{}, {}", client.role, client.organization))?;
            say(format_args!("  organization_id {}", client.organization_id))?;
            say(format_args!("  client_id       {}", client.client_id))?;
            say(format_args!("  client_secret   {}\n", client.client_secret))?;
        }
        say("Everybody here is invented. Stop with Ctrl-C.")
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let folder = args.data.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("kith-demo-{}", Uuid::now_v7())));
    let outcome = fs::create_dir_all(&folder)
        .map_err(|error| Failure::because(format!("cannot make the folder {}: {error}", folder.display())))
        .and_then(|()| actix_web::rt::System::new().block_on(show(&args, &folder)));
    if args.data.is_none()
        && let Err(error) = fs::remove_dir_all(&folder)
    {
        log::warn!("the temporary folder {} is left behind: {error}", folder.display());
    }
    outcome
}

async fn show(args: &Args, folder: &Path) -> Result<(), Failure> {
    let mut flags = vec![
        format!("--database-url=sqlite:{}", folder.join("kith.db").display()),
        format!("--host={}", args.host),
        format!("--port={}", args.port),
    ];
    // Who tries it alone has a receiver on the same machine.
    if args.host.is_loopback() {
        flags.push("--webhook-allow=127.0.0.1,localhost,::1".into());
    }
    // Links lead back here. A port that the system picks is not known before the server listens.
    let here = (args.port != 0).then(|| format!("http://{}", SocketAddr::new(args.host, args.port)));
    flags.extend(args.base_url.clone().or(here).map(|url| format!("--base-url={url}")));
    if args.public_directory {
        flags.push("--public-directory".into());
    }
    let config = Config::from_flags(flags)?;
    // Of secrets the database has hashes only: what the town was built with is kept beside it.
    let kept = folder.join("credentials.json");
    let clients = match fs::read_to_string(&kept) {
        Ok(text) => serde_json::from_str::<Access>(&text)?.clients,
        Err(error) if error.kind() == ErrorKind::NotFound => build(config.clone()).await?,
        Err(error) => return Err(Failure::because(format!("cannot read {}: {error}", kept.display()))),
    };
    // Not before: the calls that build the town are nobody's.
    logging::start(&args.log);
    let running = start(config).await?;
    let address = running.addresses.first().copied().unwrap_or_else(|| SocketAddr::new(args.host, args.port));
    let access = Access { base_url: format!("http://{address}"), clients };
    access.write(&kept)?;
    if let Some(file) = &args.credentials {
        access.write(file)?;
    }
    access.say()?;
    running.run().await?;
    Ok(())
}

async fn build(config: Config) -> Result<Vec<Credentials>, Failure> {
    let now = Clock::default().now();
    let state = open(config, Clock::manual(demo::beginning(now))).await?;
    let built = demo::build(&state, now).await;
    state.db.shutdown();
    Ok(built?)
}
