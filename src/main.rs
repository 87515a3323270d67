use std::process::ExitCode;

fn main() -> ExitCode {
    keep_freed_memory();
    name_the_runtime_folder();
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

/// Vulkan's drivers ask a Wayland compositor which GPU it draws on. Where no session has set `XDG_RUNTIME_DIR`, as over
/// SSH and in containers, libwayland complains on stderr each time; where there is a path, it looks and is silent.
fn name_the_runtime_folder() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if !std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|folder| std::path::Path::new(&folder).is_absolute()) {
        // SAFETY: before there are other threads; the user's number can always be asked for.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", format!("/run/user/{}", libc::getuid())) };
    }
}
