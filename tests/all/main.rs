//! All tests of the program through its public face, a module for each capability.
//! One binary, so that the large dependencies are linked once.

mod checkpoint;
mod cli;
mod desktop;
mod engine;
mod families;
mod inpaint;
mod latents;
mod network;
mod picture;
mod restoring;
mod score;
mod sde;
mod solver;
mod window;

/// Time that this thread has computed, where the system tells (Linux); else the time of day.
fn thread_time() -> std::time::Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let computed = told.and_then(|told| told.split_whitespace().next()?.parse().ok());
    let day = || std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    computed.map_or_else(day, std::time::Duration::from_nanos)
}
