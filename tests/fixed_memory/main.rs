//! The loop in fixed memory, where C's heap can be counted: see `counted.rs`.

#[cfg(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")))]
mod counted;

#[cfg(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")))]
fn main() {
    counted::run();
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(target_feature = "crt-static"))))]
fn main() {
    println!("left out: only where glibc is linked dynamically can a program put itself before its heap");
}
