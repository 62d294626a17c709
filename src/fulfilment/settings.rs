//! Who the partners are.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use reqwest::Url;
use serde::Deserialize;

use super::{call::PartnerRole, http_partner::HttpPartner, partner::Partner};

/// Where a partner answers: scheme, host, port and the beginning of every path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Without repeating it: there may be a password in it.
        let url = Url::parse(text).map_err(|fault| format!("a partner is http://HOST[:PORT][/PATH]: {fault}"))?;
        if url.scheme() != "http" || url.cannot_be_a_base() {
            return Err("a partner is http://HOST[:PORT][/PATH]".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the URL of a partner carries no user and no password".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("the URL of a partner ends with its path".into());
        }
        Ok(Self(url))
    }
}

impl BaseUrl {
    /// A URL below it.
    pub(super) fn join(&self, path: &[&str]) -> Url {
        let mut url = self.0.clone();
        // A base always has segments: `from_str` has seen to it.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for BaseUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a call to a partner may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartnerLimits {
    /// Until there is a connection.
    pub connect: Duration,
    /// Until the answer is there, all of it.
    pub total: Duration,
    /// Size of an answer.
    pub answer_bytes: usize,
    /// The longest a partner can ask us to wait before the next call.
    pub longest_pause: Duration,
    /// Failures in a row after which a partner is left alone.
    pub breaker_opens_after: u32,
    /// For how long.
    pub breaker_pause: Duration,
}

impl Default for PartnerLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            total: Duration::from_secs(10),
            answer_bytes: 64 * 1024,
            longest_pause: Duration::from_mins(5),
            breaker_opens_after: 5,
            breaker_pause: Duration::from_secs(5),
        }
    }
}

/// Who the partners are: one that is not named is simulated in the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartnerSettings {
    /// Who holds stock.
    pub inventory: Option<BaseUrl>,
    /// Who takes money.
    pub payments: Option<BaseUrl>,
    /// Who sends parcels.
    pub shipping: Option<BaseUrl>,
    /// What a call may take.
    pub limits: PartnerLimits,
}

/// The partners, ready to be called.
#[derive(Clone)]
pub struct Partners {
    /// Holds stock.
    pub inventory: Arc<dyn Partner>,
    /// Takes and gives back money.
    pub payments: Arc<dyn Partner>,
    /// Sends parcels.
    pub shipping: Arc<dyn Partner>,
}

impl Partners {
    /// One partner in all roles.
    #[must_use]
    pub fn all(partner: &Arc<impl Partner + 'static>) -> Self {
        Self { inventory: partner.clone(), payments: partner.clone(), shipping: partner.clone() }
    }

    /// The partner in a role.
    #[must_use]
    pub fn in_role(&self, role: PartnerRole) -> &dyn Partner {
        match role {
            PartnerRole::Inventory => &*self.inventory,
            PartnerRole::Payments => &*self.payments,
            PartnerRole::Shipping => &*self.shipping,
        }
    }
}

impl PartnerSettings {
    /// Makes the partners; `others` stands in for those without a URL. No partner is called yet: one that is down does not
    /// hinder a start.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn partners(&self, others: &Arc<impl Partner + 'static>) -> Result<Partners, reqwest::Error> {
        let partner = |base: &Option<BaseUrl>| -> Result<Arc<dyn Partner>, reqwest::Error> {
            Ok(match base {
                Some(base) => Arc::new(HttpPartner::new(base.clone(), self.limits)?),
                None => others.clone(),
            })
        };
        Ok(Partners {
            inventory: partner(&self.inventory)?,
            payments: partner(&self.payments)?,
            shipping: partner(&self.shipping)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_base_and_keys_are_one_segment() {
        for base in ["http://shop.example:81/stock", "http://shop.example:81/stock/"] {
            let base: BaseUrl = base.parse().unwrap();
            let url = base.join(&["calls", "a/b?c#d e:f"]);
            assert_eq!(url.as_str(), "http://shop.example:81/stock/calls/a%2Fb%3Fc%23d%20e:f");
        }
        assert_eq!("http://h".parse::<BaseUrl>().unwrap().join(&["voids"]).as_str(), "http://h/voids");
    }

    #[test]
    fn what_is_no_base_url_is_refused_without_repeating_it() {
        for text in
            ["", "shop", "ftp://h", "file:///x", "http://", "http://u:s3cret@h", "http://h?s3cret", "http://h#x"]
        {
            let complaint = text.parse::<BaseUrl>().unwrap_err();
            assert!(!complaint.contains("s3cret"), "{complaint}");
        }
    }
}
