//! Query strings, with every mistake told.

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Query};
use serde::de::DeserializeOwned;

use super::error::Problem;

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
