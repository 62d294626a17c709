//! Small file systems of a test's own; only root may make them.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// A file system in memory, gone with this value.
pub struct SmallFs {
    path: PathBuf,
}

impl SmallFs {
    /// One of so many kilobytes; a word to the reader and nothing when that is not allowed here.
    pub fn of_kilobytes(path: &Path, kilobytes: u32) -> Option<Self> {
        let mount = Self::make(path, &format!("size={kilobytes}k"));
        if mount.is_none() {
            // Past the test harness, which would swallow it.
            io::stderr().write_all(b"left out: a test with a full disk (mount is not allowed)\n").unwrap();
        }
        mount
    }

    /// One that cannot be written; nothing when that is not allowed here.
    pub fn read_only(path: &Path) -> Option<Self> {
        Self::make(path, "ro")
    }

    fn make(path: &Path, options: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path);
        mount.output().is_ok_and(|output| output.status.success()).then(|| Self { path: path.to_owned() })
    }
}

impl Drop for SmallFs {
    fn drop(&mut self) {
        // Whatever is left of it goes when its last file is closed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).output();
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
