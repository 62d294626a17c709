//! Which bodies are taken. A browser sends `application/json` to another origin only after asking, and nothing else does here.

use actix_web::http::{
    Method,
    header::{CONTENT_TYPE, HeaderMap},
};

/// Whether a body is called JSON, in UTF-8: `application/json`, or a merge patch (RFC 7396) where something is patched. A body
/// that is called nothing is not.
#[must_use]
pub fn is_json(method: &Method, headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE);
    let (Some(kind), None) = (kinds.next(), kinds.next()) else { return false };
    let mut parts = kind.to_str().unwrap_or_default().split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let patch = method == Method::PATCH && essence.eq_ignore_ascii_case("application/merge-patch+json");
    (patch || essence.eq_ignore_ascii_case("application/json")) && parts.all(is_fit)
}

/// Whether a parameter is none that says another charset.
fn is_fit(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    !name.trim().eq_ignore_ascii_case("charset") || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn taken(method: &Method, kinds: &[&str]) -> bool {
        let request =
            kinds.iter().fold(TestRequest::default(), |request, kind| request.append_header((CONTENT_TYPE, *kind)));
        is_json(method, request.to_srv_request().headers())
    }

    #[test]
    fn json_is_called_json() {
        for kind in [
            "application/json",
            "Application/JSON",
            "application/json; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(taken(&Method::POST, &[kind]), "{kind}");
        }
        for kind in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "application/jsonx",
            "text/json",
            "application/vnd.api+json",
            "application/merge-patch+json",
            "application/json; charset=utf-16",
            "application/json, text/plain",
        ] {
            assert!(!taken(&Method::POST, &[kind]), "{kind}");
        }
        assert!(!taken(&Method::POST, &[]));
        assert!(!taken(&Method::POST, &["application/json", "text/plain"]));
    }

    #[test]
    fn a_merge_patch_patches() {
        assert!(taken(&Method::PATCH, &["application/merge-patch+json"]));
        assert!(taken(&Method::PATCH, &["application/json"]));
        assert!(!taken(&Method::PATCH, &["application/json-patch+json"]));
    }
}
