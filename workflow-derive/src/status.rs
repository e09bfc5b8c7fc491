//! The implementation of `Status` for an enum, or everything that is wrong with the enum.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Error, Expr, ExprLit, Lit, Path, Variant, parse_quote};

/// The implementation.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream, Error> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new(
            input.ident.span(),
            "a status is an enum: `enum OrderStatus { Placed = 1, Paid = 2 }`",
        ));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new(input.generics.span(), "a status has no type parameters or lifetimes"));
    }
    let path = crate_path(input)?;
    let numbers = numbers(input, data)?;
    let (enumeration, variants) = (&input.ident, data.variants.iter().map(|variant| &variant.ident));
    let variants: Vec<_> = variants.collect();
    let names = variants.iter().map(|variant| variant.to_string());
    Ok(quote! {
        #[automatically_derived]
        impl #path::Status for #enumeration {
            const ALL: &'static [Self] = &[#(#enumeration::#variants),*];

            fn code(self) -> #path::StatusCode {
                match self {
                    #(#enumeration::#variants => const { #path::StatusCode::from_declared(#numbers) },)*
                }
            }

            fn from_code(code: #path::StatusCode) -> ::core::option::Option<Self> {
                match code.get() {
                    #(#numbers => ::core::option::Option::Some(#enumeration::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }

            fn name(self) -> &'static str {
                match self {
                    #(#enumeration::#variants => #names,)*
                }
            }
        }
    })
}

/// `::workflow`, unless the enum says otherwise.
fn crate_path(input: &DeriveInput) -> Result<Path, Error> {
    let mut path: Path = parse_quote!(::workflow);
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("status")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("crate") {
                return Err(meta.error("unknown option: `crate = path` is the only one"));
            }
            path = meta.value()?.parse()?;
            Ok(())
        })?;
    }
    Ok(path)
}

/// The number of each variant, or everything that is wrong with them.
fn numbers(input: &DeriveInput, data: &DataEnum) -> Result<Vec<i32>, Error> {
    if data.variants.is_empty() {
        return Err(Error::new(
            input.ident.span(),
            "a status enum has at least two variants: `Placed = 1, Paid = 2`",
        ));
    }
    let mut numbers = Vec::with_capacity(data.variants.len());
    let mut taken = HashMap::new();
    let mut problems: Option<Error> = None;
    for variant in &data.variants {
        let number = number(variant).and_then(|number| match taken.insert(number, &variant.ident) {
            Some(first) => {
                let text = format!("{number} is the number of `{first}` already: give each variant its own");
                Err(Error::new(
                    variant.discriminant.as_ref().map_or(variant.span(), |(_, value)| value.span()),
                    text,
                ))
            }
            None => Ok(number),
        });
        match (number, &mut problems) {
            (Ok(number), _) => numbers.push(number),
            (Err(problem), Some(problems)) => problems.combine(problem),
            (Err(problem), none) => *none = Some(problem),
        }
    }
    problems.map_or(Ok(numbers), Err)
}

fn number(variant: &Variant) -> Result<i32, Error> {
    if !variant.fields.is_empty() {
        let text = "a status has no fields: what belongs to the run goes into its object";
        return Err(Error::new(variant.fields.span(), text));
    }
    let name = &variant.ident;
    let Some((_, value)) = &variant.discriminant else {
        let text =
            format!("`{name}` needs a number of its own, 1 or greater: `{name} = 1`; it is what is stored");
        return Err(Error::new(variant.span(), text));
    };
    let literal = match value {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => literal,
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Neg(_)) => {
            return Err(Error::new(value.span(), "0 and negative numbers are reserved: use 1 or greater"));
        }
        _ => return Err(Error::new(value.span(), "write the number of a status as an integer")),
    };
    match literal.base10_parse::<i32>() {
        Ok(0) => Err(Error::new(value.span(), "0 and negative numbers are reserved: use 1 or greater")),
        Ok(number) => Ok(number),
        Err(_) => Err(Error::new(value.span(), format!("a status fits 32 bits: use at most {}", i32::MAX))),
    }
}
