//! The headers of answers, described once. An operation only names those its answer has.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Schema, Type, extensions::Extensions},
};

use crate::order::schema::{self, Position};

/// Where something is, in a header.
pub struct Place;

impl PartialSchema for Place {
    fn schema() -> RefOr<Schema> {
        schema::formatted("uri-reference", "Where it is.").into()
    }
}

impl ToSchema for Place {}

/// A reference to a shared header.
#[must_use]
pub fn shared(name: &str) -> Ref {
    Ref::new(format!("#/components/headers/{name}"))
}

/// The components of the document.
pub fn components() -> impl Iterator<Item = (String, RefOr<Header>)> {
    let described =
        |schema: RefOr<Schema>, description| HeaderBuilder::new().schema(Some(schema)).description(Some(description));
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let id = text().min_length(Some(1)).max_length(Some(64)).into();
    let position = Ref::from_schema_name(Position::name()).into();
    let tag = text().pattern(Some("^\"[0-9]+\"$")).into();
    let replayed = text().enum_values(Some(["true"])).into();
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).into();
    [
        (
            "X-Request-Id",
            always(described(id, "The id of the request: the client's own when it sent a fit one, else a new one.")),
        ),
        (
            "X-Position",
            always(described(
                position,
                "A reader that has come this far has seen everything the answer speaks of. Send it as `min_position`.",
            )),
        ),
        (
            "ETag",
            described(tag, "The version of the order, in quotes. Send it as `If-Match`. Absent after a dry run.")
                .example(Some("\"2\"".into())),
        ),
        (
            "Location",
            described(Place::schema(), "Where the order is. Absent after a dry run.")
                .example(Some("/orders/0192e4a0-7c1d-7000-8000-00000000c0de".into())),
        ),
        (
            "Idempotency-Replayed",
            described(replayed, "Present when this answer was given before to the same request with the same key."),
        ),
        (
            "Link",
            described(text().into(), "`rel=\"next\"`: the next page. Absent on the last one.")
                .example(Some("</events?after=100&limit=100>; rel=\"next\"".into())),
        ),
        (
            "Retry-After",
            described(seconds, "Seconds to wait before the same request is worth sending again.")
                .example(Some(1.into())),
        ),
    ]
    .into_iter()
    .map(|(name, header)| (name.to_owned(), header.build().into()))
}

/// A header that is never absent: the builder has no word for it, the document does.
fn always(header: HeaderBuilder) -> HeaderBuilder {
    header.extensions(Some(Extensions::from_iter([("required", true)])))
}
