//! The real program in a real window on a virtual screen, as a person would first meet it.

use image::RgbImage;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The screen is as large as the window first opens.
const SIZE: (u32, u32) = (1280, 800);
const PATIENCE: Duration = Duration::from_secs(120);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A virtual screen with the program on it.
struct Desktop {
    display: String,
    folder: tempfile::TempDir,
    program: Running,
    _screen: Running,
}

impl Desktop {
    fn open() -> Desktop {
        let folder = tempfile::tempdir().expect("a folder");
        let number = (91..200).find(|n| !Path::new(&format!("/tmp/.X11-unix/X{n}")).exists()).expect("a free display");
        let display = format!(":{number}");
        let screen = Command::new("Xvfb")
            .args([&display, "-screen", "0", &format!("{}x{}x24", SIZE.0, SIZE.1)])
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb, which `bash tests/run` installs");
        wait_for("the virtual screen", || Path::new(&format!("/tmp/.X11-unix/X{number}")).exists());
        let program = Command::new(env!("CARGO_BIN_EXE_score-explorer"))
            .env("DISPLAY", &display)
            .env_remove("WAYLAND_DISPLAY")
            .env("XDG_DATA_HOME", folder.path())
            .env("XDG_CONFIG_HOME", folder.path())
            .env("XDG_RUNTIME_DIR", folder.path())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program");
        Desktop { display, folder, program: Running(program), _screen: Running(screen) }
    }

    fn x(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program).args(arguments).env("DISPLAY", &self.display).status();
        assert!(status.is_ok_and(|status| status.success()), "{program} {arguments:?} failed");
    }

    fn press(&self, key: &str) {
        // Without a window manager nobody else gives the window the keyboard.
        self.x("xdotool", &["search", "--name", "Score Explorer", "windowfocus", "key", key]);
    }

    fn screenshot(&mut self) -> (PathBuf, RgbImage) {
        assert!(self.program.0.try_wait().expect("a state").is_none(), "the program ended by itself");
        let path = self.folder.path().join("screen.png");
        self.x("import", &["-window", "root", &path.display().to_string()]);
        let picture = image::open(&path).expect("a screenshot").to_rgb8();
        (path, picture)
    }
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not come in time");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Share of the middle of the screen, where the pictures are, that differs between two screenshots.
fn changed(a: &RgbImage, b: &RgbImage) -> f64 {
    let (columns, rows) = (SIZE.0 * 2 / 5..SIZE.0 * 3 / 5, SIZE.1 / 3..SIZE.1 * 2 / 3);
    let points = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
    let (mut differ, mut all) = (0.0, 0.0);
    for (x, y) in points {
        all += 1.0;
        differ +=
            f64::from(u8::from(a.get_pixel(x, y).0.iter().zip(b.get_pixel(x, y).0).any(|(a, b)| a.abs_diff(b) > 8)));
    }
    differ / all
}

/// How many different colours the middle of the screen shows.
fn colours(picture: &RgbImage) -> usize {
    let middle = image::imageops::crop_imm(picture, SIZE.0 * 2 / 5, SIZE.1 / 3, SIZE.0 / 5, SIZE.1 / 3);
    middle.to_image().pixels().map(|pixel| pixel.0).collect::<std::collections::HashSet<_>>().len()
}

#[test]
fn the_first_run_fills_the_window_with_pictures() {
    let mut desktop = Desktop::open();
    let mut empty = RgbImage::new(SIZE.0, SIZE.1);
    wait_for("the first frame", || {
        empty = desktop.screenshot().1;
        empty.pixels().collect::<std::collections::HashSet<_>>().len() > 100
    });
    // The first frames still lay out; the state to compare with is the settled one.
    std::thread::sleep(Duration::from_secs(1));
    empty = desktop.screenshot().1;

    // Out of the way of the pictures.
    desktop.x("xdotool", &["mousemove", "2", "2"]);
    desktop.press("space");
    let mut last = empty.clone();
    wait_for("the first noise", || {
        last = desktop.screenshot().1;
        changed(&empty, &last) > 0.5
    });
    let noise = last.clone();
    wait_for("the end of the run", || {
        std::thread::sleep(Duration::from_millis(1500));
        let now = desktop.screenshot().1;
        let settled = changed(&last, &now) == 0.0;
        last = now;
        settled && changed(&noise, &last) > 0.3
    });
    assert!(colours(&last) > 1000, "little worlds are colourful");
    let (path, _) = desktop.screenshot();
    if let Some(target) = std::env::var_os("SCREENSHOT") {
        std::fs::copy(path, target).expect("the picture for the README");
    }
}
