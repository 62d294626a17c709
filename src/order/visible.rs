//! Which characters a reader can see: what looks the same should be the same.

use std::{borrow::Cow, fmt::Write};

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The two joiners of Unicode (ZWNJ, ZWJ): many scripts and emoji need them, inside words.
const JOINERS: [char; 2] = ['\u{200c}', '\u{200d}'];

/// Control characters, and the two separators Unicode counts apart from them.
pub(super) fn is_control(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// Zero-width and direction characters (category Cf), the joiners among them.
fn is_format(character: char) -> bool {
    !character.is_ascii() && character.general_category() == GeneralCategory::Format
}

/// Characters that leave no trace behind an ASCII character, though they are no format characters.
fn is_blank_mark(character: char) -> bool {
    matches!(character, '\u{34f}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Letters without a shape.
fn is_filler(character: char) -> bool {
    matches!(character, '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}')
}

/// Whether every character of a text can be seen, or joins two that can be.
pub(super) fn all_visible(text: &str) -> bool {
    text.is_ascii() || neighbours(text).all(|(before, character, after)| is_visible(before, character, after))
}

/// Whether a text holds nothing that another text without it would look the same as.
pub(super) fn is_unmistakable(text: &str) -> bool {
    text.is_ascii()
        || neighbours(text).all(|(before, character, _)| {
            let hides = is_blank_mark(character) && before.is_none_or(|before| before.is_ascii());
            !hides && !is_filler(character)
        })
}

/// A text as it can be shown on one line: what cannot be seen becomes a blank. At most `limit` characters, no blank at
/// either end.
#[must_use]
pub fn on_one_line(text: &str, limit: usize) -> String {
    let cut = text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end]);
    let shown = neighbours(cut).map(|(before, character, after)| {
        if !is_control(character) && is_visible(before, character, after) { character } else { ' ' }
    });
    shown.collect::<String>().trim().to_owned()
}

/// A text as it can be shown to a reader: control and format characters are written as JSON does (`\u001b`), but for line
/// feeds and tabs when `keep_layout` is set.
#[must_use]
pub fn escaped(text: &str, keep_layout: bool) -> Cow<'_, str> {
    let is_kept = |character: char| keep_layout && matches!(character, '\n' | '\t');
    let is_plain = |character: char| is_kept(character) || !(is_control(character) || is_format(character));
    let joins = |at: &(Option<char>, char, Option<char>)| JOINERS.contains(&at.1) && is_visible(at.0, at.1, at.2);
    if text.chars().all(is_plain) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for at in neighbours(text) {
        if is_plain(at.1) || joins(&at) {
            shown.push(at.1);
        } else {
            for unit in at.1.encode_utf16(&mut [0; 2]) {
                // A string takes all.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        }
    }
    shown.into()
}

/// A joiner is seen by what it does to its neighbours; between ASCII characters it does nothing.
fn is_visible(before: Option<char>, character: char, after: Option<char>) -> bool {
    if !JOINERS.contains(&character) {
        return !is_format(character);
    }
    let (Some(before), Some(after)) = (before, after) else { return false };
    let in_word = |neighbour: char| !neighbour.is_whitespace() && !is_control(neighbour) && !is_format(neighbour);
    in_word(before) && in_word(after) && !(before.is_ascii() && after.is_ascii())
}

/// Each character with those beside it.
fn neighbours(text: &str) -> impl Iterator<Item = (Option<char>, char, Option<char>)> {
    let mut before = None;
    let mut characters = text.chars().peekable();
    std::iter::from_fn(move || {
        let character = characters.next()?;
        let found = (before, character, characters.peek().copied());
        before = Some(character);
        Some(found)
    })
}
