//! maskbell: which role this run has.

fn main() {}
