//! Files that hold what is nobody else's business.

use std::fs::OpenOptions;

/// What opens a file that, where it is made, is for its owner alone: it holds personal data or secrets. One that is there stays as it is.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
