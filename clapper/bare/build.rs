//! Tells the linker where the machine has its memory.

fn main() {
    let architecture = std::env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets it");
    let here = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo::rustc-link-arg=-T{here}/{architecture}.ld");
    println!("cargo::rerun-if-changed={architecture}.ld");
    println!("cargo::rerun-if-env-changed=NETWORKS");
}
