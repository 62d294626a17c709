//! What the server says of itself to machines: one OpenAPI document, made from the types.
//!
//! ```text
//! handlers: #[utoipa::path]  types: ToSchema, IntoParams     events
//!                 \                    |                       /
//!                  +-----------> document <-------------------+
//!                                  |    ^
//!                  what every      |    +--- problems, headers, parameters: said once, shared by name
//!                  response has ---+
//! ```
//!
//! An operation is described at its handler: what is asked, what is answered, what goes wrong. What the middleware adds to
//! every one (the request id, the refusals of the guard, the limits of a body) is added here.

pub mod answers;
pub mod document;
pub mod events;
pub mod headers;
pub mod parameters;
pub mod problems;

use std::marker::PhantomData;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema, schema::ArrayBuilder},
};

/// A JSON array of at most `MAX` things.
pub struct ListOf<T, const MAX: usize>(PhantomData<T>);

impl<T: ToSchema, const MAX: usize> PartialSchema for ListOf<T, MAX> {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new().items(Ref::from_schema_name(T::name())).max_items(Some(MAX)).into()
    }
}

impl<T: ToSchema, const MAX: usize> ToSchema for ListOf<T, MAX> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}
