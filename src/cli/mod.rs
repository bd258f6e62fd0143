//! The `kith` command: what it can do, and how its mistakes are told.

mod client;
mod database;
mod demo;
mod export;
mod healthcheck;
mod import;
mod key;
mod records;
mod serve;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, DatabaseConfig, LogConfig};
use crate::error::Chain;
use crate::openapi;

/// The open back end of social prescribing: one server, one documented API, SQLite or PostgreSQL.
///
/// Every setting is a flag and an environment variable; `kith serve --help` lists them. An empty database is set up by whichever command
/// comes first; one of an older version is brought up to date by `serve`, `demo` and `migrate` alone, and refused by the others.
#[derive(Debug, Parser)]
#[command(name = "kith", version, arg_required_else_help = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    ///
    /// Brings the database up to date first. Stops on SIGINT or SIGTERM, after it has answered what it had accepted; at once when told a second time.
    Serve {
        #[command(flatten)]
        config: Box<Config>,
    },
    /// Start a server on a fresh database with an invented town in it, to try everything on
    ///
    /// Prints how each role logs in. The town is gone when the server stops, unless --data keeps it.
    Demo(demo::Args),
    /// Bring the database up to date and say what was done
    ///
    /// `serve` and `demo` do so when they start; no other command does. Stop the servers of the older version first.
    Migrate {
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        log: LogConfig,
    },
    /// Print the OpenAPI document of this version; needs no database
    Openapi,
    /// Manage the systems that may call the API
    Client {
        #[command(subcommand)]
        action: client::Action,
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        log: LogConfig,
    },
    /// Manage the keys that sign access tokens, where they are kept in the database
    Key {
        #[command(subcommand)]
        action: key::Action,
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        log: LogConfig,
    },
    /// Import what others have written down
    Import {
        #[command(subcommand)]
        what: import::What,
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        log: LogConfig,
    },
    /// Export the directory, or an organization's records, for others
    Export {
        #[command(subcommand)]
        what: export::What,
        #[command(flatten)]
        database: DatabaseConfig,
        #[command(flatten)]
        log: LogConfig,
    },
    /// Ask a running server whether it is alive; ends with 0 if it is
    Healthcheck(healthcheck::Args),
}

/// Why a command did not succeed: one sentence for each reason.
#[derive(Debug)]
pub(crate) struct Failure(Vec<String>);

impl<E: std::error::Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(vec![Chain(&error).to_string()])
    }
}

impl Failure {
    /// A failure with one reason.
    pub(crate) fn because(sentence: impl Into<String>) -> Self {
        Self(vec![sentence.into()])
    }
}

/// Writes a line to standard output. A reader that has seen enough and closed its end is no failure.
fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let outcome = parse(std::env::args_os().collect()).and_then(|cli| match cli.command {
        Command::Serve { config } => serve::run(*config),
        Command::Demo(args) => demo::run(args),
        Command::Migrate { database, log } => database::migrate(&database, &log),
        Command::Openapi => say(openapi::text().trim_end()),
        Command::Client { action, database, log } => client::run(action, &database, &log),
        Command::Key { action, database, log } => key::run(action, &database, &log),
        Command::Import { what, database, log } => import::run(what, &database, &log),
        Command::Export { what, database, log } => export::run(what, &database, &log),
        Command::Healthcheck(args) => healthcheck::run(&args),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(sentences)) => {
            for sentence in sentences {
                eprintln!("kith: {sentence}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line and the environment. Where clap would stop at the first bad value, this goes on without it, so that
/// all of them are told at once. A value itself is never repeated: it may be a password.
fn parse(arguments: Vec<OsString>) -> Result<Cli, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut sentences = Vec::new();
    loop {
        match command.clone().try_get_matches_from(&arguments) {
            Ok(matches) if sentences.is_empty() => return Ok(Cli::from_arg_matches(&matches)?),
            Ok(_) => return Err(Failure(sentences)),
            Err(error) => {
                let bad = (sentences.len() < 100).then(|| bad_value(&error)).flatten();
                match bad {
                    Some((argument, reason)) => {
                        let mut names = vec![argument.clone()];
                        accept_anything(&mut command, &argument, &mut names);
                        names.dedup();
                        sentences.push(format!("{}: {reason}", names.join(", ")));
                    }
                    None if sentences.is_empty() => error.exit(),
                    None => return Err(Failure(sentences)),
                }
            }
        }
    }
}

/// The argument whose value clap refuses, and why.
fn bad_value(error: &clap::Error) -> Option<(String, String)> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let reason = match (error.kind(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::ValueValidation, _) => std::error::Error::source(error)?.to_string(),
        (ErrorKind::InvalidValue, Some(ContextValue::Strings(values))) if !values.is_empty() => format!("is one of {}", values.join(", ")),
        _ => return None,
    };
    Some((argument.clone(), reason))
}

/// Lets the argument of this name take any value from now on, and notes the environment variable that it can come from.
fn accept_anything(command: &mut clap::Command, argument: &str, names: &mut Vec<String>) {
    let taken = std::mem::take(command);
    *command = taken
        .mut_args(|arg| {
            if arg.to_string() != argument {
                return arg;
            }
            names.extend(arg.get_env().and_then(|name| name.to_str()).map(str::to_owned));
            arg.value_parser(ValueParser::os_string())
        })
        .mut_subcommands(|mut subcommand| {
            accept_anything(&mut subcommand, argument, names);
            subcommand
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(arguments: &[&str]) -> Vec<String> {
        match parse(arguments.iter().map(OsString::from).collect()) {
            Ok(_) => Vec::new(),
            Err(Failure(sentences)) => sentences,
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn all_bad_settings_are_told_at_once_and_no_value_is_repeated() {
        let told = mistakes(&["kith", "serve", "--port", "seven", "--log-format", "xml", "--database-url", "mysql://kith:hunter2@db/kith"]);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told.iter().any(|sentence| sentence.starts_with("--port <PORT>, KITH_PORT: ")), "{told:?}");
        assert!(told.iter().any(|sentence| sentence.contains("is one of human, json")), "{told:?}");
        assert!(told.iter().all(|sentence| !sentence.contains("hunter2")), "{told:?}");
    }
}
