//! The URL of a PostgreSQL server: read by the driver's own parser, and shown without user, password and parameters.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// Where a server is and how to log in.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    config: Config,
    passfile: Option<PathBuf>,
}

/// Why a URL is refused. Repeats nothing of it but the names of parameters that everybody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It cannot be read, or can be read in two ways.
    #[error(
        "the database URL is not of the form postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE; in user, password and \
         values write @ as %40, / as %2F, ? as %3F, # as %23, & as %26 and % as %25"
    )]
    Form,
    /// There is no server in it.
    #[error("the database URL names no host")]
    NoHost,
    /// A parameter that only an encrypted connection can honour.
    #[error(
        "the database URL has {0}, which needs TLS, and connections to PostgreSQL are not encrypted; where the network can be \
         trusted, sslmode=disable says so"
    )]
    NeedsTls(String),
    /// libpq has this parameter.
    #[error("the database URL has the parameter {0}, which is not supported")]
    Unsupported(&'static str),
    /// The parameter is known, its value is not.
    #[error("the database URL has the parameter {0} with a value that is not supported")]
    Value(&'static str),
}

/// Parameters the driver reads, and one that is read here.
const SUPPORTED: &[&str] = &[
    "user",
    "password",
    "passfile",
    "dbname",
    "options",
    "application_name",
    "sslmode",
    "host",
    "hostaddr",
    "port",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "load_balance_hosts",
];

/// Parameters of libpq that mean nothing without TLS.
const OF_TLS: &[&str] = &[
    "sslnegotiation",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslpassword",
    "sslcertmode",
    "sslcrl",
    "sslcrldir",
    "sslsni",
    "sslcompression",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "channel_binding",
    "requiressl",
];

/// The other parameters of libpq.
const UNSUPPORTED: &[&str] = &[
    "client_encoding",
    "fallback_application_name",
    "keepalives_count",
    "gssencmode",
    "gsslib",
    "gssdelegation",
    "krbsrvname",
    "require_auth",
    "requirepeer",
    "replication",
    "service",
    "servicefile",
    "scram_client_key",
    "scram_server_key",
    "min_protocol_version",
    "max_protocol_version",
    "oauth_issuer",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_scope",
];

/// Values of `sslmode` that demand encryption, or would take it if plain text were refused.
const WITH_TLS: &[&str] = &["allow", "require", "verify-ca", "verify-full"];

impl FromStr for PostgresUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let rest = after_scheme(text).ok_or(UrlError::Form)?;
        if !is_unambiguous(rest) {
            return Err(UrlError::Form);
        }
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let mut passfile = None;
        let mut for_driver = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match check_parameter(pair)? {
                Parameter::Passfile(path) => passfile = Some(path),
                Parameter::OfDriver => for_driver.push(pair),
            }
        }
        let config = Config::from_str(&format!("{place}?{}", for_driver.join("&"))).map_err(|_| UrlError::Form)?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(UrlError::NoHost);
        }
        Ok(Self { config, passfile })
    }
}

enum Parameter {
    OfDriver,
    Passfile(PathBuf),
}

fn check_parameter(pair: &str) -> Result<Parameter, UrlError> {
    let (name, value) = form_urlencoded::parse(pair.replace('+', "%2B").as_bytes())
        .next()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .ok_or(UrlError::Form)?;
    let among = |names: &[&'static str]| names.iter().find(|known| **known == name).copied();
    if let Some(name) = among(OF_TLS) {
        return Err(UrlError::NeedsTls(format!("the parameter {name}")));
    }
    if let Some(name) = among(UNSUPPORTED) {
        return Err(UrlError::Unsupported(name));
    }
    let name = among(SUPPORTED).ok_or(UrlError::Form)?;
    if name == "passfile" {
        return Ok(Parameter::Passfile(value.into()));
    }
    if name == "sslmode" && WITH_TLS.contains(&value.as_str()) {
        return Err(UrlError::NeedsTls(format!("sslmode={value}")));
    }
    Config::from_str(&format!("postgres://host/?{pair}")).map_err(|_| UrlError::Value(name))?;
    Ok(Parameter::OfDriver)
}

fn after_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))
}

/// Whether it is clear where the password ends: one that holds `@`, `/`, `?` or `#` must write them as %40, %2F, %3F and %23. Else
/// a part of it could be taken for the name of the host, and be shown.
fn is_unambiguous(rest: &str) -> bool {
    rest.split_once('@')
        .map_or(!rest.contains('#'), |(user, place)| !user.contains(['/', '?', '#']) && !place.contains(['@', '#']))
}

impl PostgresUrl {
    /// What a connection is made from.
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Whether it holds the password itself.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The file of passwords that it names.
    #[must_use]
    pub fn passfile(&self) -> Option<&PathBuf> {
        self.passfile.as_ref()
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// Every server it names, as a file of passwords has it: host, port, database and user.
    #[must_use]
    pub fn logins(&self) -> Vec<[String; 4]> {
        let user = self.config.get_user().unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or(user);
        let of = |(host, port)| [host, port, database.to_owned(), user.to_owned()];
        self.places().into_iter().map(of).collect()
    }

    /// Whether whatever is sent stays on this machine, or was said to need no protection.
    #[must_use]
    pub fn is_safe_in_clear_text(&self) -> bool {
        let is_local = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        };
        let addresses = self.config.get_hostaddrs();
        self.config.get_ssl_mode() == SslMode::Disable
            || if addresses.is_empty() {
                self.config.get_hosts().iter().all(is_local)
            } else {
                addresses.iter().all(IpAddr::is_loopback)
            }
    }

    /// Hosts with their ports.
    fn places(&self) -> Vec<(String, String)> {
        let hosts: Vec<String> = if self.config.get_hosts().is_empty() {
            self.config.get_hostaddrs().iter().map(ToString::to_string).collect()
        } else {
            self.config.get_hosts().iter().map(host_name).collect()
        };
        let ports = self.config.get_ports();
        let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432).to_string();
        hosts.into_iter().enumerate().map(|(index, host)| (host, port(index))).collect()
    }
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    }
}

/// Hosts, ports and database.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (host, port)) in self.places().iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if host.contains(':') { write!(f, "{comma}[{host}]:{port}")? } else { write!(f, "{comma}{host}:{port}")? }
        }
        write!(f, "/{}", self.config.get_dbname().or_else(|| self.config.get_user()).unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "sE-cr3t";

    fn shown(url: &str) -> String {
        url.parse::<PostgresUrl>().map_or_else(|error| format!("{error} {error:?}"), |url| format!("{url} {url:?}"))
    }

    #[test]
    fn nothing_of_a_password_is_shown_wherever_it_stands_and_however_it_is_written() {
        for url in [
            "postgres://u:SECRET@h/db",
            "postgres://u:SECRET@h1,h2:7/db",
            "postgres://u:a@SECRET?b@127.0.0.1/db",
            "postgres://u:a?SECRET@h/db",
            "postgres://u:a/SECRET@h/db",
            "postgres://u:a#SECRET@h/db",
            "postgres://u:a:SECRET@h/db",
            "postgres://u:a@SECRET@h/db",
            "postgres://u:a@SECRET/b@h/db",
            "postgres://u:a@SECRET#b@h/db",
            "postgres://u:a@h/db#SECRET",
            "postgres://u:%53ECRET%40SECRET@h/db",
            "postgres://u:SECRET",
            "postgres://u:SECRET/db",
            "postgres://u:a?SECRET=1",
            "postgres://h/db?user=u&password=SECRET",
            "postgres://h/db?user=u&password=a@SECRET",
            "postgres://h/db?user=u&pasword=SECRET",
            "postgres://h/db?SECRET",
            "postgres://h/db?connect_timeout=SECRET",
            "postgres://h/db?sslmode=SECRET",
            "host=h user=u password=SECRET",
        ] {
            let shown = shown(&url.replace("SECRET", SECRET));
            assert!(!shown.contains(SECRET), "{url}: {shown}");
        }
    }

    #[test]
    fn a_refusal_names_the_reason() {
        for (url, reason) in [
            ("postgres://u@h/db?sslmode=verify-full", "sslmode=verify-full, which needs TLS"),
            ("postgres://u@h/db?sslmode=verify-ca", "sslmode=verify-ca, which needs TLS"),
            ("postgres://u@h/db?sslmode=allow", "sslmode=allow, which needs TLS"),
            ("postgres://u@h/db?sslmode=require", "sslmode=require, which needs TLS"),
            ("postgres://u@h/db?sslmode=maybe", "sslmode with a value"),
            ("postgres://u@h/db?application_name=a&sslrootcert=/x", "sslrootcert, which needs TLS"),
            ("postgres://u@h/db?channel_binding=require", "channel_binding, which needs TLS"),
            ("postgres://u@h/db?gssencmode=disable", "gssencmode, which is not supported"),
            ("postgres://u@h/db?port=many", "port with a value"),
            ("postgres:///db", "names no host"),
            ("postgres://u:a@b@h/db", "write @ as %40"),
        ] {
            assert!(shown(url).contains(reason), "{url}: {}", shown(url));
        }
    }

    #[test]
    fn it_is_shown_as_what_is_connected_to() {
        for (url, place) in [
            ("postgres://u:p%40@h/db", "h:5432/db"),
            ("postgresql://h1,h2:7/db?sslmode=prefer", "h1:5432,h2:7/db"),
            ("postgres://u:a:b@[::1]:6/db", "[::1]:6/db"),
            ("postgres://u@%2Frun%2Fpg/db", "/run/pg:5432/db"),
            ("postgres://?host=h&port=9&dbname=d&password=a%26b", "h:9/d"),
            ("postgres://u@h", "h:5432/u"),
        ] {
            assert_eq!(url.parse::<PostgresUrl>().unwrap().to_string(), place, "{url}");
        }
    }

    #[test]
    fn clear_text_is_safe_on_this_machine_or_where_it_was_asked_for() {
        let is_safe = |url: &str| url.parse::<PostgresUrl>().unwrap().is_safe_in_clear_text();
        for url in ["postgres://127.0.0.1", "postgres://localhost", "postgres://[::1]", "postgres://h?sslmode=disable"]
        {
            assert!(is_safe(url), "{url}");
        }
        for url in ["postgres://db.internal", "postgres://10.0.0.1?sslmode=prefer", "postgres://localhost,h"] {
            assert!(!is_safe(url), "{url}");
        }
    }
}
