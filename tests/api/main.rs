//! Tests through the public contract.
fn main() {}
