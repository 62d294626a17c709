//! Query strings, with every mistake told.

use std::{fmt, ops::RangeInclusive};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Query};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, Visitor},
};

use super::error::{Fault, Problem};

/// The versions and positions that any store can count to.
pub const COUNTABLE: RangeInclusive<u64> = 0..=i64::MAX.unsigned_abs();

/// A query that has been read.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Params<T> {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let params = Query::<T>::from_query(request.query_string()).map(|query| Self(query.into_inner()));
        std::future::ready(params.map_err(|error| Problem::invalid(error.to_string())))
    }
}

/// A whole number in a query; one below zero or beyond 64 bits is kept as such, to be named as a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryNumber(Option<u64>);

impl<'de> Deserialize<'de> for QueryNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = QueryNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<QueryNumber, E> {
                let digits = text.strip_prefix('-').unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(E::custom(format_args!("{text:?} is not a whole number")));
                }
                Ok(QueryNumber(text.parse().ok()))
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// Takes a number that is in range, or names the fault.
pub fn number(name: &str, asked: QueryNumber, range: RangeInclusive<u64>, faults: &mut Vec<Fault>) -> Option<u64> {
    let fit = asked.0.filter(|number| range.contains(number));
    if fit.is_none() {
        let detail = format!("must be between {} and {}", range.start(), range.end());
        faults.push(Fault { pointer: format!("?{name}"), detail });
    }
    fit
}
