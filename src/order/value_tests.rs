//! What is accepted from outside.

use super::{
    Currency, CustomerId, Fault, InvalidValue, MAX_QUANTITY, Money, NewItem, ProductName, Reason, Reference,
    UncheckedItem, UncheckedOrder, escaped, on_one_line,
};

fn usd(minor: i64) -> String {
    Money { minor, currency: Currency::USD }.to_string()
}

fn money(minor: i64, code: &str) -> String {
    Money { minor, currency: Currency::new(code).unwrap() }.to_string()
}

#[test]
fn an_id_is_printable_text_with_blanks_inside_only() {
    for good in ["a", "17850", "Müller & Söhne", "a b", "客戶", &"é".repeat(64)] {
        assert_eq!(CustomerId::new(good).unwrap().as_str(), good);
    }
    for (bad, problem) in [
        ("", InvalidValue::Empty),
        (" a", InvalidValue::OuterBlank),
        ("a ", InvalidValue::OuterBlank),
        ("a\n", InvalidValue::OuterBlank),
        ("\u{a0}a", InvalidValue::OuterBlank),
        ("a\tb", InvalidValue::Unprintable),
        ("a\u{0}b", InvalidValue::Unprintable),
        ("a\u{2028}b", InvalidValue::Unprintable),
        (&"é".repeat(65), InvalidValue::TooLong { limit: 64 }),
    ] {
        assert_eq!(CustomerId::new(bad), Err(problem), "{bad:?}");
    }
}

#[test]
fn an_id_holds_nothing_that_cannot_be_seen() {
    for good in ["می\u{200c}خواهم", "SMS\u{200c}ها", "क्\u{200d}ष", "👩\u{200d}🔧", "❤\u{fe0f}", "é", "Å"]
    {
        assert_eq!(CustomerId::new(good).unwrap().as_str(), good, "{good:?}");
    }
    for hidden in [
        "ada\u{202e}nimda",
        "a\u{200b}da",
        "\u{feff}ada",
        "ada\u{feff}",
        "a\u{ad}da",
        "a\u{2066}d\u{2069}a",
        "a\u{200e}",
        "a\u{200d}da",
        "می\u{200c}",
        "\u{200d}می",
        "م\u{200c}\u{200c}ی",
        "م \u{200d}ی",
        "a\u{e0061}",
        "ada\u{fe0f}",
        "a\u{3164}b",
        "a\u{34f}b",
        "م\u{61c}ی",
        "a\u{2060}b",
    ] {
        assert_eq!(CustomerId::new(hidden), Err(InvalidValue::Invisible), "{hidden:?}");
    }
    for decomposed in ["e\u{301}", "\u{212b}", "\u{1112}\u{1161}\u{11ab}"] {
        assert_eq!(Reference::new(decomposed), Err(InvalidValue::NotNormalized), "{decomposed:?}");
    }
    for text in ["a\u{202e}b", "a\u{200b}b", "a\u{200d}b"] {
        assert_eq!(Reason::new(text), Err(InvalidValue::Invisible), "{text:?}");
        assert_eq!(ProductName::new(text), Err(InvalidValue::Invisible), "{text:?}");
        assert!(CustomerId::stored(text).is_ok(), "{text:?}");
    }
    // Not to compare by: as it was written.
    assert!(Reason::new("1\u{fe0f}\u{20e3} e\u{301}").is_ok() && ProductName::new("cafe\u{301}").is_ok());
}

#[test]
fn a_text_from_elsewhere_is_made_fit_or_shown_with_what_cannot_be_seen_in_it() {
    assert_eq!(on_one_line(" a\u{1b}[2J\nb\u{202e}c ", 100), "a [2J b c");
    assert_eq!(on_one_line("می\u{200c}خواهم", 3), "می");
    assert!(Reason::new(&on_one_line("a\u{200d}b \u{feff}", 5)).is_ok());
    assert_eq!(escaped("plain ü\tx\n", true), "plain ü\tx\n");
    assert_eq!(escaped("a\u{1b}[2J\u{9b}\r\n", true), "a\\u001b[2J\\u009b\\u000d\n");
    assert_eq!(escaped("a\u{202e}b\nc می\u{200c}خ \u{e0061}", false), "a\\u202eb\\u000ac می\u{200c}خ \\udb40\\udc61");
}

#[test]
fn a_product_name_may_be_empty_or_have_blanks_at_its_ends() {
    for good in ["", " WHITE CHERRY LIGHTS ", &"x".repeat(500)] {
        assert_eq!(ProductName::new(good).unwrap().as_str(), good);
    }
    assert_eq!(ProductName::new(&"x".repeat(501)), Err(InvalidValue::TooLong { limit: 500 }));
    assert_eq!(ProductName::new("a\u{1}"), Err(InvalidValue::Unprintable));
}

#[test]
fn a_reason_says_something() {
    assert_eq!(Reason::new(""), Err(InvalidValue::Empty));
    assert_eq!(Reason::new(&"x".repeat(501)), Err(InvalidValue::TooLong { limit: 500 }));
    assert_eq!(Reason::new("changed my mind").unwrap().to_string(), "changed my mind");
}

#[test]
fn a_uuid_is_a_name() {
    let id = uuid::Uuid::from_u128(7);
    assert_eq!(CustomerId::from(id), CustomerId::new("00000000-0000-0000-0000-000000000007").unwrap());
    assert_eq!(Reference::from(id), Reference::new("00000000-0000-0000-0000-000000000007").unwrap());
}

#[test]
fn an_item_tells_all_its_faults_at_once() {
    let faults = NewItem::new("", "a\n", 0, 0).unwrap_err();
    let told: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert_eq!(
        told,
        [
            "product_id must not be empty",
            "product_name must hold printable characters only",
            "quantity must be between 1 and 1000000000, not 0",
            "unit_price_cents must be between 1 and 9223372036854775807, not 0",
        ]
    );
}

#[test]
fn an_order_tells_all_its_faults_at_once_by_their_places() {
    let item = UncheckedItem { product_id: "p", product_name: "", quantity: Some(1), unit_price_cents: Some(1) };
    let order = UncheckedOrder {
        order_id: Some(Err(InvalidValue::NotAUuid)),
        external_id: Some(""),
        customer_id: Some(" "),
        currency: Some("XYZ"),
        placed_at: Some(Err(InvalidValue::NotATime)),
        items: [item, UncheckedItem { product_id: "", quantity: Some(0), unit_price_cents: None, ..item }],
    };
    let faults = order.check().unwrap_err();
    let pointers: Vec<_> = faults.iter().map(Fault::pointer).collect();
    let fields = ["/order_id", "/external_id", "/customer_id", "/currency", "/placed_at"];
    let items = ["/items/1/unit_price_cents", "/items/1/product_id", "/items/1/quantity"];
    assert_eq!(pointers, [&fields[..], &items].concat());
    assert_eq!(faults.last().unwrap().to_string(), "items[1].quantity must be between 1 and 1000000000, not 0");
}

#[test]
fn an_item_has_a_quantity_and_a_price_within_limits() {
    let most = i64::from(MAX_QUANTITY);
    for (quantity, price) in [(1, 1), (most, 1), (1, i64::MAX), (most, i64::MAX)] {
        assert!(NewItem::new("widget", "", quantity, price).is_ok(), "{quantity} {price}");
    }
    for (quantity, price, field) in [
        (0, 1, "quantity"),
        (-1, 1, "quantity"),
        (most + 1, 1, "quantity"),
        (i64::MIN, 1, "quantity"),
        (i64::MAX, 1, "quantity"),
        (1, 0, "unit_price_cents"),
        (1, i64::MIN, "unit_price_cents"),
    ] {
        let faults = NewItem::new("widget", "", quantity, price).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.field).collect::<Vec<_>>(), [field], "{quantity} {price}");
    }
}

#[test]
fn a_currency_is_one_that_people_pay_with() {
    for good in ["USD", "EUR", "JPY", "KWD"] {
        assert_eq!(Currency::new(good).unwrap().code(), good);
    }
    for bad in ["", "usd", "US", "USDX", "ZZZ", "XAU", "XTS", "XXX", "€€€"] {
        assert_eq!(Currency::new(bad), Err(InvalidValue::UnknownCurrency), "{bad:?}");
    }
    assert_eq!(Currency::default(), Currency::USD);
}

#[test]
fn money_reads_as_people_write_it() {
    assert_eq!(usd(2_000), "$20.00");
    assert_eq!(usd(5), "$0.05");
    assert_eq!(usd(0), "$0.00");
    assert_eq!(usd(-5), "-$0.05");
    assert_eq!(usd(i64::MIN), "-$92233720368547758.08");
    assert_eq!(money(2_000, "EUR"), "€20.00");
    assert_eq!(money(20, "JPY"), "¥20");
    assert_eq!(money(20_000, "KWD"), "د.ك20.000");
    assert_eq!(money(2_000, "CHE"), "CHE 20.00");
}

#[test]
fn money_of_a_currency_that_is_no_longer_listed_still_reads() {
    let currency: Currency = serde_json::from_str("\"ZZZ\"").unwrap();
    assert_eq!(Money { minor: 2_000, currency }.to_string(), "ZZZ 20.00");
}
