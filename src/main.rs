use std::process::ExitCode;

fn main() -> ExitCode {
    keep_freed_memory();
    score_explorer::cli::main(std::env::args_os())
}

/// Solvers free a tensor and ask for the next one thousands of times a second: glibc would return each to the system,
/// and the system would clear it page by page.
fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets two numbers of the allocator, before there are other threads.
    unsafe {
        /// The largest threshold that glibc takes.
        const LARGE: i32 = 32 << 20;
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * LARGE);
    }
}
