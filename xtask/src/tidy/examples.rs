//! Which public parts of the core must show an example in their documentation.

use std::collections::HashMap;

use syn::{Attribute, Expr, ExprLit, ImplItem, Item, ItemImpl, Lit, Meta, Type, Visibility};

use super::{Finding, Source};

/// Where everything public has one.
const FOLDER: &str = "workflow-core/src/definition";

/// The types elsewhere in the core whose methods have one.
const TYPES: [&str; 8] = ["CallbackCall", "Client", "Next", "Run", "Running", "Start", "Trigger", "Wait"];

/// Checks all files of the core together: a method may be shown by the example of its type, which may be in another file.
pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let files: Vec<(&Source, syn::File)> = sources
        .iter()
        .filter(|source| source.path.starts_with("workflow-core/src"))
        .filter_map(|source| Some((source, syn::parse_file(&source.text).ok()?)))
        .collect();
    let types: HashMap<String, String> = files.iter().flat_map(|(_, file)| type_examples(file)).collect();
    let mut findings = Vec::new();
    for (source, file) in &files {
        let everything = source.path.starts_with(FOLDER);
        for item in &file.items {
            let missing = match item {
                Item::Impl(item) if item.trait_.is_none() => methods(item, everything, &types),
                item if everything => missing(item).into_iter().collect(),
                _ => Vec::new(),
            };
            findings.extend(missing.into_iter().map(|(name, line)| {
                let what =
                    format!("{name} has no example: add one that compiles and asserts to its documentation");
                Finding::new(&source.path, line, what)
            }));
        }
    }
    findings
}

/// Name and line.
type Place = (String, usize);

/// A public item without an example.
fn missing(item: &Item) -> Option<Place> {
    let (visibility, attributes, name) = match item {
        Item::Fn(item) => (&item.vis, &item.attrs, &item.sig.ident),
        Item::Struct(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Enum(item) => (&item.vis, &item.attrs, &item.ident),
        Item::Trait(item) => (&item.vis, &item.attrs, &item.ident),
        _ => return None,
    };
    let shown = !is_shown(visibility, attributes) || !examples(attributes).is_empty();
    (!shown).then(|| (name.to_string(), name.span().start().line))
}

/// The public methods of a type that neither have an example nor are called in the one of their type.
fn methods(item: &ItemImpl, everything: bool, types: &HashMap<String, String>) -> Vec<Place> {
    let Some(of) = type_name(&item.self_ty) else { return Vec::new() };
    if !everything && !TYPES.contains(&of.as_str()) {
        return Vec::new();
    }
    let of_type = types.get(&of).map(String::as_str).unwrap_or_default();
    let functions = item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    });
    functions
        .filter(|function| is_shown(&function.vis, &function.attrs))
        .filter(|function| {
            examples(&function.attrs).is_empty() && !calls(of_type, &function.sig.ident.to_string())
        })
        .map(|function| (format!("{of}::{}", function.sig.ident), function.sig.ident.span().start().line))
        .collect()
}

/// Whether a text has a call of a function: its name as a whole word, before a parenthesis.
fn calls(text: &str, name: &str) -> bool {
    let call = format!("{name}(");
    text.match_indices(&call).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(|before| before.is_alphanumeric() || before == '_')
    })
}

fn type_name(of: &Type) -> Option<String> {
    match of {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}

/// The examples of the types of a file, by name.
fn type_examples(file: &syn::File) -> Vec<(String, String)> {
    let of = |item: &Item| match item {
        Item::Struct(item) => Some((item.ident.to_string(), examples(&item.attrs))),
        Item::Enum(item) => Some((item.ident.to_string(), examples(&item.attrs))),
        _ => None,
    };
    file.items.iter().filter_map(of).collect()
}

/// Whether an item is public and documented.
fn is_shown(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    let is_hidden = |attribute: &Attribute| {
        attribute.path().is_ident("doc")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|argument| argument == "hidden")
    };
    matches!(visibility, Visibility::Public(_)) && !attributes.iter().any(is_hidden)
}

/// The code blocks of a documentation that are compiled and run.
fn examples(attributes: &[Attribute]) -> String {
    let mut code = String::new();
    let mut fence: Option<bool> = None;
    for line in attributes
        .iter()
        .filter_map(doc_line)
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
    {
        match (line.trim().strip_prefix("```"), fence) {
            (Some(_), Some(_)) => fence = None,
            (Some(info), None) => fence = Some(matches!(info, "" | "rust")),
            (None, Some(true)) => {
                code.push_str(&line);
                code.push('\n');
            }
            (None, _) => {}
        }
    }
    code
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = "/// What it is.\n///\n/// ```\n/// assert!(true);\n/// ```\n";

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let source = |(path, text): &(&str, &str)| Source {
            path: format!("workflow-core/src/{path}").into(),
            text: (*text).to_owned(),
        };
        let sources: Vec<Source> = files.iter().map(source).collect();
        check(&sources)
            .into_iter()
            .map(|finding| finding.what.split(" has no").next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn everything_public_of_a_definition_has_an_example() {
        let bare = "pub fn a() {}\npub struct B;\npub enum C {}\npub trait D {}\nimpl B { pub fn e(&self) {} fn f(&self) {} }";
        assert_eq!(found(&[("definition/x.rs", bare)]), ["a", "B", "C", "D", "B::e"]);
        let shown =
            format!("{EXAMPLE}pub fn a() {{}}\n{EXAMPLE}pub struct B;\nfn c() {{}}\npub(crate) struct D;");
        assert!(found(&[("definition/x.rs", &shown)]).is_empty());
    }

    #[test]
    fn elsewhere_only_the_methods_of_what_users_hold_have_one() {
        let text = "impl<T> Client<T> { pub async fn get(&self) {} pub(crate) fn core(&self) {} }\nimpl Other { pub fn get(&self) {} }";
        assert_eq!(found(&[("engine/client.rs", text)]), ["Client::get"]);
        assert!(found(&[("model/x.rs", "pub fn a() {}")]).is_empty());
    }

    #[test]
    fn the_example_of_a_type_shows_the_methods_that_it_calls() {
        let of_type = "/// ```\n/// run.id();\n/// run.forget_me(1);\n/// ```\npub struct Run;";
        let methods = "impl Run { pub fn id(&self) {} pub fn me(&self) {} }";
        assert_eq!(found(&[("run.rs", of_type), ("engine/run.rs", methods)]), ["Run::me"]);
    }

    #[test]
    fn what_is_not_run_is_no_example() {
        for info in ["text", "ignore", "no_run", "compile_fail"] {
            let text = format!("/// ```{info}\n/// a();\n/// ```\npub fn a() {{}}");
            assert_eq!(found(&[("definition/x.rs", &text)]), ["a"], "{info}");
        }
    }

    #[test]
    fn what_the_documentation_hides_and_what_traits_ask_for_need_none() {
        let text = "#[doc(hidden)]\npub struct A;\nimpl Clone for A { fn clone(&self) -> Self { A } }";
        assert!(found(&[("definition/x.rs", text)]).is_empty());
    }
}
