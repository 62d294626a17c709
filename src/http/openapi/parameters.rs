//! The parameters that many operations share. Those of one list are described where they are read.

use utoipa::{
    IntoParams,
    openapi::{
        ObjectBuilder, Ref, RefOr, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

use crate::order::{LineId, schema};

/// The name of the one parameter that every operation has.
const REQUEST_ID: &str = "XRequestId";

/// The component of that parameter.
#[must_use]
pub fn component() -> (String, RefOr<Parameter>) {
    let parameter = ParameterBuilder::new()
        .name("X-Request-Id")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "The client's own id for this request: 1 to 64 visible ASCII characters. Anything else is replaced.",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)));
    (REQUEST_ID.to_owned(), parameter.build().into())
}

/// A reference to it.
#[must_use]
pub fn request_id() -> RefOr<Parameter> {
    RefOr::Ref(Ref::new(format!("#/components/parameters/{REQUEST_ID}")))
}

/// The order in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OrderInPath {
    /// The order.
    #[param(value_type = schema::Id, example = "0192e4a0-7c1d-7000-8000-00000000c0de")]
    pub id: String,
}

/// The line in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct LineInPath {
    /// The line.
    #[param(value_type = LineId, example = 1)]
    pub line_id: String,
}

/// The saga in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct SagaInPath {
    /// The saga's id.
    #[param(value_type = schema::Id)]
    pub id: String,
}

/// The flag of every command.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DryRun {
    /// Decide and show what would happen; store nothing. The idempotency key is not used. A bare `dry_run` and `1` mean true,
    /// `0` means false.
    #[param(value_type = Option<bool>, default = false)]
    pub dry_run: Option<bool>,
}

/// The header that makes a command repeatable.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKey {
    /// Makes the request repeatable: the same key with the same method, path and body has one effect and one answer. Kept for at
    /// least 24 hours.
    #[param(rename = "Idempotency-Key", value_type = Option<String>, nullable = false, pattern = "^[!-~]{1,255}$")]
    pub key: Option<String>,
}

/// The header that makes a command depend on a version.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatch {
    /// Only if the order is at one of these versions: an `ETag`, a list of them, or `*`. Without it the order may have moved on.
    #[param(
        rename = "If-Match",
        value_type = Option<String>, nullable = false,
        pattern = r#"^(\*|(W/)?"[!#-+\--~]*"( *, *(W/)?"[!#-+\--~]*")*)$"#,
        example = "\"2\""
    )]
    pub versions: Option<String>,
}

/// The header of a client that has a version.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatch {
    /// An `ETag`, a list of them, or `*`: answers 304 when the order is there.
    #[param(rename = "If-None-Match", value_type = Option<String>, nullable = false, example = "\"1\"")]
    pub versions: Option<String>,
}

/// The header of a client that waits for a saga.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Prefer {
    /// How long to wait for the saga: `wait=N` seconds, at most 60, or `respond-async` for not at all (RFC 7240). Without it 5
    /// seconds.
    #[param(rename = "Prefer", value_type = Option<String>, nullable = false, example = "wait=10")]
    pub wait: Option<String>,
}
