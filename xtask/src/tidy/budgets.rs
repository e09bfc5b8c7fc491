//! How long files and functions may be, and what tests and code must not do.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, FnArg, ImplItemFn, ItemFn, ItemMod, Signature, TraitItemFn};

use super::{Finding, Source};

/// The longest file, in lines.
const FILE_LINES_MAX: usize = 400;

/// The longest function, in lines.
const FUNCTION_LINES_MAX: usize = 70;

/// The most parameters, beside `self`.
const PARAMETERS_MAX: usize = 6;

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        let what = format!("{lines} lines, {FILE_LINES_MAX} are allowed: look for the seam");
        findings.push(Finding::new(&source.path, 1, what));
    }
    let file = match syn::parse_file(&source.text) {
        Ok(file) => file,
        Err(error) => {
            findings.push(Finding::new(
                &source.path,
                error.span().start().line,
                format!("cannot be read: {error}"),
            ));
            return findings;
        }
    };
    let is_test = source.path.iter().any(|part| part == "tests");
    let mut visitor = Visitor { source, findings, is_test };
    visitor.attributes(&file.attrs);
    visitor.visit_file(&file);
    visitor.findings
}

struct Visitor<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
    is_test: bool,
}

impl Visitor<'_> {
    fn find(&mut self, line: usize, what: impl Into<String>) {
        self.findings.push(Finding::new(&self.source.path, line, what));
    }

    fn function(&mut self, attributes: &[Attribute], signature: &Signature, body: Option<&Block>) {
        self.attributes(attributes);
        let parameters = signature.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_))).count();
        let line = signature.ident.span().start().line;
        if parameters > PARAMETERS_MAX {
            self.find(
                line,
                format!("{} has {parameters} parameters, {PARAMETERS_MAX} are allowed", signature.ident),
            );
        }
        if let Some(body) = body {
            let lines = body.span().end().line - line + 1;
            if lines > FUNCTION_LINES_MAX {
                self.find(
                    line,
                    format!("{} has {lines} lines, {FUNCTION_LINES_MAX} are allowed", signature.ident),
                );
            }
        }
    }

    fn attributes(&mut self, attributes: &[Attribute]) {
        for attribute in attributes {
            let line = attribute.span().start().line;
            if attribute.path().is_ident("ignore") {
                self.find(line, "#[ignore]: a test that does not run is no test");
            }
            if attribute.path().is_ident("should_panic") {
                self.find(line, "#[should_panic]: test the error instead");
            }
        }
    }

    fn call(&mut self, name: &syn::Ident) {
        let line = name.span().start().line;
        if self.is_test && name == "sleep" {
            self.find(line, "a test sleeps: wait for the condition, or use the manual clock");
        }
        if !self.is_test && name == "unwrap" {
            self.find(line, "unwrap: say with expect why it cannot fail, or return the error");
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(&item.attrs, &item.sig, Some(&item.block));
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.function(&item.attrs, &item.sig, Some(&item.block));
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        self.function(&item.attrs, &item.sig, item.default.as_ref());
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let before = self.is_test;
        self.is_test |= item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
        });
        visit::visit_item_mod(self, item);
        self.is_test = before;
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.call(&call.method);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(path) = &*call.func
            && let Some(last) = path.path.segments.last()
        {
            self.call(&last.ident);
        }
        visit::visit_expr_call(self, call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, text: &str) -> Vec<String> {
        check(&Source { path: path.into(), text: text.to_owned() })
            .into_iter()
            .map(|finding| finding.what)
            .collect()
    }

    #[test]
    fn long_files_and_functions_are_found() {
        let long = format!("fn long() {{\n{}}}\n", "    work();\n".repeat(FUNCTION_LINES_MAX));
        assert_eq!(whats("a.rs", &long).len(), 1);
        assert_eq!(whats("a.rs", &"// line\n".repeat(FILE_LINES_MAX + 1)).len(), 1);
        assert!(whats("a.rs", "fn short() { work(); }").is_empty());
    }

    #[test]
    fn a_seventh_parameter_is_found_and_self_is_none() {
        assert_eq!(whats("a.rs", "fn f(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8) {}").len(), 1);
        assert!(
            whats("a.rs", "impl A { fn f(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8) {} }").is_empty()
        );
    }

    #[test]
    fn tests_do_not_sleep_and_code_does_not_unwrap() {
        let code = "fn f() { tokio::time::sleep(d).await_it(); x.unwrap(); }";
        assert_eq!(whats("tests/a.rs", code).len(), 1);
        assert_eq!(whats("src/a.rs", code).len(), 1);
        let inner = "#[cfg(test)] mod tests { fn f() { x.unwrap(); sleep(d); } }";
        assert_eq!(
            whats("src/a.rs", inner),
            ["a test sleeps: wait for the condition, or use the manual clock"]
        );
    }

    #[test]
    fn ignored_tests_are_found() {
        assert_eq!(whats("a.rs", "#[test]\n#[ignore]\nfn f() {}").len(), 1);
    }
}
