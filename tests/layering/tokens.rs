//! What a source file says, without comments, strings and what is for tests alone.

/// Splits Rust into names, numbers, `::` and single characters. Leaves out each item under an attribute that asks for `test`.
pub fn tokens(text: &str) -> Vec<String> {
    without_tests(all_tokens(text))
}

fn all_tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let is = |at: usize, wanted: char| chars.get(at) == Some(&wanted);
    let until = |from: usize, end: &dyn Fn(usize) -> bool| {
        (from..chars.len()).find(|at| end(*at)).unwrap_or(chars.len())
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        at = if c == '/' && is(at + 1, '/') {
            until(at, &|at| is(at, '\n'))
        } else if c == '"' {
            end_of_string(&chars, at + 1)
        } else if c == '\'' && is(at + 1, '\\') {
            until(at + 3, &|at| is(at, '\'')) + 1
        } else if c == '\'' && is(at + 2, '\'') {
            at + 3
        } else if c.is_alphanumeric() || c == '_' {
            let end = until(at, &|at| !chars[at].is_alphanumeric() && chars[at] != '_');
            found.push(chars[at..end].iter().collect());
            end
        } else if c == ':' && is(at + 1, ':') {
            found.push("::".to_owned());
            at + 2
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            at + 1
        };
    }
    found
}

/// The place behind a string that begins at `from`. A raw string ends there too: none here holds a quote.
fn end_of_string(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "#" && tokens.get(at + 1).is_some_and(|next| next == "[") {
            let end = end_of_group(&tokens, at + 1);
            let attribute = &tokens[at..end.min(tokens.len())];
            let asks = |name: &str| attribute.iter().any(|token| token == name);
            let asks_for_none = attribute.windows(3).any(|words| words == ["not", "(", "test"]);
            let for_tests = asks("cfg") && asks("test") && !asks_for_none;
            at = if for_tests { end_of_item(&tokens, end) } else { end };
            continue;
        }
        kept.push(tokens[at].clone());
        at += 1;
    }
    kept
}

/// The place behind the group of brackets that opens at `from`.
pub fn end_of_group(tokens: &[String], from: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The place behind the item that begins at `from`, with its attributes: behind its `;`, `,` or body.
fn end_of_item(tokens: &[String], from: usize) -> usize {
    let mut at = from;
    while at < tokens.len() {
        match tokens[at].as_str() {
            ";" | "," => return at + 1,
            // Behind the last field of a struct.
            "}" => return at,
            "{" if tokens[from] == "use" => at = end_of_group(tokens, at),
            "{" => return end_of_group(tokens, at),
            "(" | "[" => at = end_of_group(tokens, at),
            _ => at += 1,
        }
    }
    at
}

#[test]
fn tokens_are_without_comments_strings_and_tests() {
    let text = r#"
        // use crate::no;
        use crate::a::{b, c}; let x = "use crate::no\"; //"; let c = '"'; let d = '\'';
        #[cfg(test)] mod tests { fn f() { crate::no(); } }
        #[cfg(all(test, not(loom)))] #[path = "x"] mod more;
        #[cfg(not(test))] fn g<'a>() {}
    "#;
    let found = tokens(text).join(" ");
    assert_eq!(found, "use crate :: a :: { b , c } ; let x = ; let c = ; let d = ; fn g < ' a > ( ) { }");
}
