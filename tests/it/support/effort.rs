//! How much a run of the tests shall show, from the environment.

/// How often to repeat what is left to chance: so often, or as `ORDO_TEST_ROUNDS` says.
#[expect(clippy::disallowed_methods, reason = "whoever wants to be surer lets the tests run longer")]
pub fn rounds(usually: u64) -> u64 {
    std::env::var("ORDO_TEST_ROUNDS").map_or(usually, |rounds| rounds.parse().expect("ORDO_TEST_ROUNDS is a number"))
}

/// Whether everything is to be tried.
#[expect(clippy::disallowed_methods, reason = "whoever wants to be surer lets the tests run longer")]
pub fn is_full() -> bool {
    std::env::var("ORDO_TEST_MATRIX").is_ok_and(|how| how == "full")
}
