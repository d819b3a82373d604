//! Creates files for results.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::ExpectedError;

/// Results may hold secrets of the target: only their owner reads them.
const MODE: u32 = 0o600;

/// Creates the file `path` for a result, readable by its owner only and never through a symbolic
/// link. With `force` an existing regular file is emptied and its mode set. A device or pipe holds
/// nothing to lose and is used as it is.
///
/// # Errors
/// [`ExpectedError::OutputExists`] without `force`, [`ExpectedError::OutputUnwritable`] otherwise.
pub fn create_file(path: &Path, force: bool) -> Result<File, ExpectedError> {
    let opened = if force || is_device(path) {
        replace(path)
    } else {
        new(path)
    };
    opened.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ExpectedError::OutputExists {
            file: path.to_owned(),
        },
        _ => unwritable(path, source),
    })
}

/// Whether [`create_file`] would create the file now. None is left behind, and what is there is not
/// changed.
///
/// # Errors
/// As [`create_file`].
pub fn check_file(path: &Path, force: bool) -> Result<(), ExpectedError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) if !force && !is_device(path) => Err(ExpectedError::OutputExists {
            file: path.to_owned(),
        }),
        // Opening a pipe would wait for its reader.
        Ok(_) if is_device(path) => Ok(()),
        Ok(_) => existing(path).map(drop).map_err(|e| unwritable(path, e)),
        Err(_) => {
            create_file(path, false)?;
            std::fs::remove_file(path).map_err(|e| unwritable(path, e))
        }
    }
}

fn unwritable(path: &Path, source: io::Error) -> ExpectedError {
    ExpectedError::OutputUnwritable {
        file: path.to_owned(),
        source,
    }
}

fn is_device(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| {
        let kind = meta.file_type();
        kind.is_char_device() || kind.is_block_device() || kind.is_fifo()
    })
}

fn new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

/// Not by unlinking: that would remove `/dev/null` for good when asked to write there.
fn replace(path: &Path) -> io::Result<File> {
    let file = match existing(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => new(path)?,
        opened => opened?,
    };
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.set_len(0)?;
    }
    Ok(file)
}

fn existing(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("exists").permissions().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_private_and_not_replaced_without_force() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.trc");
        create_file(&path, false).expect("is new");
        assert_eq!(mode(&path), 0o600);

        fs::write(&path, "old and longer").expect("writable");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("ours");
        let refused = create_file(&path, false).expect_err("exists");
        assert!(matches!(refused, ExpectedError::OutputExists { .. }));
        assert_eq!(fs::read(&path).expect("readable"), b"old and longer");

        let mut replaced = create_file(&path, true).expect("forced");
        replaced.write_all(b"new").expect("writable");
        assert_eq!(fs::read(&path).expect("readable"), b"new");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_symbolic_link_is_never_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (victim, link) = (dir.path().join("victim"), dir.path().join("link"));
        fs::write(&victim, "precious").expect("writable");
        std::os::unix::fs::symlink(&victim, &link).expect("new");
        for force in [false, true] {
            create_file(&link, force).expect_err("is a link");
        }
        assert_eq!(fs::read(&victim).expect("readable"), b"precious");
    }

    #[test]
    fn a_file_that_could_be_created_is_not_left_behind() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.svg");
        for force in [false, true] {
            check_file(&path, force).expect("could be");
            assert!(!path.exists());
        }
        fs::write(&path, "old").expect("writable");
        let refused = check_file(&path, false).expect_err("exists");
        assert!(matches!(refused, ExpectedError::OutputExists { .. }));
        check_file(&path, true).expect("could be replaced");
        assert_eq!(fs::read(&path).expect("readable"), b"old");
        let nowhere = dir.path().join("no/a.svg");
        let refused = check_file(&nowhere, false).expect_err("no directory");
        assert!(matches!(refused, ExpectedError::OutputUnwritable { .. }));
        check_file(Path::new("/dev/null"), false).expect("is a device");
    }

    #[test]
    fn a_device_is_used_as_it_is() {
        for force in [false, true] {
            let mut null = create_file(Path::new("/dev/null"), force).expect("writable");
            null.write_all(b"x").expect("takes everything");
        }
        assert!(Path::new("/dev/null").exists());
    }
}
