//! maskbell: which role this run has.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: maskbell::memory::Allocator = maskbell::memory::Allocator;

fn main() -> ExitCode {
    #[cfg(feature = "desk")]
    return maskbell::desk::run();
    #[cfg(not(feature = "desk"))]
    return maskbell::appliance::run();
}
