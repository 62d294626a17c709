//! Passwords kept in files: one of its own, or a line in libpq's file of passwords.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use super::url::PostgresUrl;

/// The largest file that is read.
const MOST_BYTES: u64 = 1 << 20;

/// The password that is all there is in a file, without the end of its line.
///
/// # Errors
/// A sentence: the file cannot be read, is empty, is no text, or has several lines.
pub fn read_password(file: &Path) -> Result<String, String> {
    let failed = |reason: &str| format!("the password file {}: {reason}", file.display());
    let text = read(file).map_err(|error| failed(&error.to_string()))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(failed("it is empty"));
    }
    if password.contains(['\n', '\r', '\0']) {
        return Err(failed("it must hold one line, the password"));
    }
    if fs::metadata(file).is_ok_and(|found| found.mode() & 0o007 != 0) {
        log::warn!("{} can be read by everybody on this machine", file.display());
    }
    Ok(password.to_owned())
}

/// The password that a file of `host:port:database:user:password` lines has for one of the URL's servers, as libpq finds it: the
/// first line that fits, `*` fits all, `\` takes the next character as it is. A file that is not there has none; one that others
/// than its owner may read is left alone, with a warning.
#[must_use]
pub fn find_password(file: &Path, url: &PostgresUrl) -> Option<String> {
    let found = fs::metadata(file).ok()?;
    if !found.is_file() {
        log::warn!("the password file {} is no plain file and is not used", file.display());
        return None;
    }
    if found.permissions().mode() & 0o077 != 0 {
        log::warn!(
            "the password file {} may be read by others than its owner and is not used; its mode should be 0600",
            file.display()
        );
        return None;
    }
    let text =
        read(file).inspect_err(|error| log::warn!("the password file {} is not used: {error}", file.display())).ok()?;
    url.logins().iter().find_map(|login| text.lines().find_map(|line| password_for(login, line)))
}

fn read(file: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// The last field of a line whose first four fit.
fn password_for(login: &[String; 4], line: &str) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for (index, part) in login.iter().enumerate() {
        let (raw, plain, after) = field(rest);
        // A socket in a directory counts as this machine.
        let fits = raw == "*" || plain == *part || (index == 0 && part.starts_with('/') && plain == "localhost");
        rest = after.filter(|_| fits)?;
    }
    Some(field(rest).1).filter(|password| !password.is_empty())
}

/// A field as it stands, what it means, and what comes after its colon.
fn field(text: &str) -> (&str, String, Option<&str>) {
    let mut plain = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            ':' => return (&text[..index], plain, Some(&text[index + 1..])),
            '\\' => plain.extend(characters.next().map(|(_, escaped)| escaped)),
            other => plain.push(other),
        }
    }
    (text, plain, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(url: &str, line: &str) -> Option<String> {
        let url: PostgresUrl = url.parse().unwrap();
        password_for(&url.logins()[0], line)
    }

    #[test]
    fn a_line_fits_as_libpq_has_it() {
        let url = "postgres://ann@h:7/d";
        for line in ["h:7:d:ann:pw", "*:*:*:*:pw", "h:*:d:*:pw", "\\h:7:d:ann:p\\w"] {
            assert_eq!(password(url, line).as_deref(), Some("pw"), "{line}");
        }
        for line in [
            "# h:7:d:ann:pw",
            "h:8:d:ann:pw",
            "h:7:e:ann:pw",
            "h:7:d:bob:pw",
            "h:7:d:ann:",
            "h:7:d:ann",
            "",
            "\\*:*:*:*:pw",
        ] {
            assert_eq!(password(url, line), None, "{line}");
        }
        assert_eq!(password(url, "*:*:*:*:p\\:\\\\w").as_deref(), Some("p:\\w"));
        assert_eq!(password("postgres://ann@%2Frun/d", "localhost:5432:d:ann:pw").as_deref(), Some("pw"));
        assert_eq!(password("postgres://ann@h", "h:5432:ann:ann:pw").as_deref(), Some("pw"));
    }

    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "# mine\n\n*:*:*:*:pw\n").unwrap();
        let url = "postgres://ann@h".parse().unwrap();
        for (mode, found) in [(0o600, Some("pw")), (0o400, Some("pw")), (0o640, None), (0o604, None)] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(find_password(file.path(), &url).as_deref(), found, "{mode:o}");
        }
        assert_eq!(find_password(Path::new("/nowhere"), &url), None);
    }

    #[test]
    fn a_password_file_holds_one_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, read) in
            [("pw", Some("pw")), (" p w \r\n", Some(" p w ")), ("", None), ("\n", None), ("a\nb\n", None)]
        {
            fs::write(file.path(), text).unwrap();
            assert_eq!(read_password(file.path()).ok().as_deref(), read, "{text:?}");
        }
    }
}
