//! Which maskbell this is.

/// The version of `Cargo.toml`, or what whoever builds the program says in the environment variable `MASKBELL_VERSION`:
/// `buildroot/build` adds the commit, as in `0.1.0+1a2b3c4d5e6f`.
pub const VERSION: &str = match option_env!("MASKBELL_VERSION") {
    Some(told) => told,
    None => env!("CARGO_PKG_VERSION"),
};
