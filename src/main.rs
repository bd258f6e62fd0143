//! The `kith` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    share_memory();
    kith::cli::run()
}

/// Has the threads share as many pools of memory as there are cores, and large pieces taken from none of them. glibc makes eight times as
/// many pools, keeps in them what a few logins have hashed in, and what was given back to one serves no other: under load a server would
/// hold half as much again. The environment's `MALLOC_ARENA_MAX` has the last word.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "nothing safe leads to the settings of the allocator")]
fn share_memory() {
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        let cores = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        // SAFETY: it takes any two numbers, and no other thread runs yet.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, i32::try_from(cores).unwrap_or(i32::MAX));
            libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20);
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn share_memory() {}
