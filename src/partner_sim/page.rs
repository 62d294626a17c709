//! The same for people: one page without scripts, made anew for every reader.

use std::fmt::Write;

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY},
    web::Data,
};

use super::{
    ledger_rows::Shown,
    problem::Problem,
    reconciliation::{Reconciliation, Totals},
    reconciliation_handler::read,
    server::State,
};
use crate::{fulfilment::call::Terms, order};

/// Entries at the foot of the page.
const NEWEST: u32 = 50;

const HEAD: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width"><title>Partners</title><style>
:root{color-scheme:light dark;--line:#8884;--bad:#c62828;--good:#2e7d32}
@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--good:#a5d6a7}}
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.85em;overflow-wrap:anywhere}
.bad{color:var(--bad)}.good{color:var(--good)}p.note{opacity:.7}
</style><h1>Partners</h1>
"#;

/// `GET /`
pub async fn page(state: Data<State>) -> Result<HttpResponse, Problem> {
    let reconciliation = read(&state, super::ledger_file::LedgerFile::reconcile).await?;
    let newest = read(&state, |ledger| ledger.newest(NEWEST)).await?;
    let mut html = String::from(HEAD);
    // Writing to a string never fails.
    let _ = write_page(&mut html, &reconciliation, &newest);
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
        .body(html))
}

fn write_page(html: &mut String, reconciliation: &Reconciliation, newest: &[Shown]) -> std::fmt::Result {
    write_faults(html, reconciliation)?;
    write_totals(html, reconciliation.orders, &reconciliation.totals)?;
    write_money(html, &reconciliation.totals)?;
    write_newest(html, newest)
}

fn write_faults(html: &mut String, reconciliation: &Reconciliation) -> std::fmt::Result {
    if reconciliation.faults.is_empty() {
        return html.write_str("<p class=good>Every order that was charged is shipped or has its money back.</p>");
    }
    html.write_str("<h2>Open or wrong</h2><p class=note>Orders on their way look wrong for a moment.</p><table>")?;
    for (fault, orders) in &reconciliation.faults {
        write!(html, "<tr><td class=bad>{}<td class=n>{orders}", fault.words())?;
    }
    html.write_str("</table><table><tr><th>Order<th>What")?;
    for order in &reconciliation.faulty {
        let words: Vec<&str> = order.faults.iter().map(|fault| fault.words()).collect();
        write!(html, "<tr><td>{}<td class=bad>{}", link(&order.order_id.to_string()), words.join(", "))?;
    }
    html.write_str("</table>")
}

fn write_totals(html: &mut String, orders: u64, totals: &Totals) -> std::fmt::Result {
    write!(html, "<h2>{orders} orders</h2><table><tr><th>Partner<th class=n>Done<th class=n>Undone")?;
    for (name, done, undone) in [
        ("Stock set aside", totals.reserved, totals.released),
        ("Payments", totals.charged, totals.voided),
        ("Parcels", totals.shipped, totals.called_back),
    ] {
        write!(html, "<tr><td>{name}<td class=n>{done}<td class=n>{undone}")?;
    }
    let Totals { refunded, refused, ended_unheard, .. } = totals;
    write!(
        html,
        "</table><p>{refunded} refunds, {refused} steps refused, {ended_unheard} ended before they came. \
         <a href=/audit>As JSON</a></p>"
    )
}

fn write_money(html: &mut String, totals: &Totals) -> std::fmt::Result {
    html.write_str("<table><tr><th>Currency<th class=n>Charged<th class=n>Voided<th class=n>Refunded<th class=n>Kept")?;
    for (code, money) in &totals.money {
        let kept = money.charged - money.voided - money.refunded;
        write!(html, "<tr><td>{}", escape(code))?;
        for minor in [money.charged, money.voided, money.refunded, kept] {
            write!(html, "<td class=n>{}", escape(&amount(code, minor)))?;
        }
    }
    html.write_str("</table>")
}

fn write_newest(html: &mut String, newest: &[Shown]) -> std::fmt::Result {
    html.write_str("<h2>Newest</h2><table><tr><th>Heard<th>Call<th>Order<th>What<th>Stands")?;
    for Shown { entry, heard_at, .. } in newest {
        let what = match &entry.call.terms {
            Terms::Goods(goods) => format!("{} products", goods.len()),
            Terms::Money { amount_cents, currency } => amount(currency.code(), i128::from(*amount_cents)),
        };
        write!(
            html,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{} {}",
            escape(heard_at),
            entry.call.kind.name(),
            link(&entry.call.order_id.to_string()),
            escape(&what),
            entry.state.name(),
            escape(entry.reason.as_deref().unwrap_or_default()),
        )?;
    }
    html.write_str("</table></html>")
}

fn amount(code: &str, minor: i128) -> String {
    match (order::Currency::new(code), i64::try_from(minor)) {
        (Ok(currency), Ok(minor)) => order::Money { minor, currency }.to_string(),
        _ => format!("{code} {minor}"),
    }
}

fn link(order: &str) -> String {
    let order = escape(order);
    format!("<a href=\"/audit/{order}\"><code>{order}</code></a>")
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_comes_from_outside_becomes_markup() {
        assert_eq!(escape("<b a=\"1\" b='2'>&"), "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;");
    }
}
