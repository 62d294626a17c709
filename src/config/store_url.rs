//! Where a store or a partner is, read without telling the passwords in it.

use std::{fmt, path::PathBuf, str::FromStr};

use clap::{builder::TypedValueParser, error::ErrorKind};
use serde::Deserialize;

use crate::fulfilment::settings::BaseUrl;
use ordo_actors::stores::postgres::{PostgresUrl, UrlError};

/// Which store, and where.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// In memory: gone with the process.
    Memory,
    /// A file.
    Sqlite(PathBuf),
    /// A server; with the password.
    Postgres(Box<PostgresUrl>),
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return text.parse().map(|url| Self::Postgres(Box::new(url))).map_err(|error: UrlError| error.to_string());
        }
        match text.strip_prefix("sqlite:") {
            Some(path) if names_memory(path) => Err("a store in memory is called memory".into()),
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            _ => Err("a store is memory, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE".into()),
        }
    }
}

/// Whether a path is what SQLite calls a database in memory: here it would be a file of that name.
#[must_use]
pub fn names_memory(path: &str) -> bool {
    path.contains(":memory:") || path.contains("mode=memory")
}

/// Reads a store from the command line. Its complaint does not repeat what it read: there may be a password in it.
#[derive(Debug, Clone, Copy)]
pub struct ReadStore;

impl TypedValueParser for ReadStore {
    type Value = StoreUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<StoreUrl, clap::Error> {
        read_quietly(command, argument, value, "store")
    }
}

/// Reads the URL of a partner, and is as discreet.
#[derive(Debug, Clone, Copy)]
pub struct ReadPartner;

impl TypedValueParser for ReadPartner {
    type Value = BaseUrl;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<BaseUrl, clap::Error> {
        read_quietly(command, argument, value, "partner")
    }
}

fn read_quietly<T: FromStr<Err = String>>(
    command: &clap::Command,
    argument: Option<&clap::Arg>,
    value: &std::ffi::OsStr,
    what: &str,
) -> Result<T, clap::Error> {
    value.to_str().unwrap_or_default().parse().map_err(|reason| {
        let argument = argument.map(ToString::to_string).unwrap_or_default();
        let complaint = format!("the value of '{argument}' is no {what}: {reason}\n");
        clap::Error::raw(ErrorKind::ValueValidation, complaint).with_cmd(command)
    })
}

/// Shows where, never the password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory (gone when the server stops)"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => write!(f, "postgres://{url}"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for StoreUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
