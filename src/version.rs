//! Which maskbell this is.

/// The version of `Cargo.toml` with the commit behind it, as in `0.1.0+1a2b3c4d5e6f`, or without where no commit is known.
///
/// It comes through the environment variable `MASKBELL_VERSION`, which whoever builds the program sets (`buildroot/build`
/// does, from `buildroot/version`), or else `build.rs`, for the desk alone.
pub const VERSION: &str = match option_env!("MASKBELL_VERSION") {
    Some(told) => told,
    None => env!("CARGO_PKG_VERSION"),
};
