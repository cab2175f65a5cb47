//! From an async function to a plain one that blocks on it.

use crate::options::Options;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Attribute, Error, ItemFn, Signature, parse2, spanned::Spanned};

/// Which attribute stands on the function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Main,
    Test,
}

impl Entry {
    fn name(self) -> &'static str {
        match self {
            Entry::Main => "#[lunation::main]",
            Entry::Test => "#[lunation::test]",
        }
    }
}

/// Expands the attribute `entry`; a mistake becomes a `compile_error!` at its place.
pub(crate) fn expand(entry: Entry, options: TokenStream, function: TokenStream) -> TokenStream {
    let function: ItemFn = match parse2(function.clone()) {
        Ok(function) => function,
        Err(error) => {
            let message = format!("{} belongs on an async function", entry.name());
            return Error::new(error.span(), message).into_compile_error();
        }
    };
    let built = check(entry, &function).and_then(|()| build(entry, options, &function));
    built.unwrap_or_else(|error| {
        // An empty function of that name keeps the compiler from reporting its absence as well.
        let (error, name) = (error.into_compile_error(), &function.sig.ident);
        quote! { #error fn #name() {} }
    })
}

/// All mistakes in the function's signature and attributes at once.
fn check(entry: Entry, function: &ItemFn) -> syn::Result<()> {
    let Signature { asyncness, inputs, generics, unsafety, .. } = &function.sig;
    let test = function.attrs.iter().find(|attribute| is_test(attribute));
    let name = entry.name();
    let mut mistakes = Vec::new();
    if asyncness.is_none() {
        let message = format!("{name} needs an async function: write `async fn`");
        mistakes.push(Error::new(function.sig.fn_token.span, message));
    }
    if !inputs.is_empty() {
        let message = format!("a function under {name} has no arguments");
        mistakes.push(Error::new(inputs.span(), message));
    }
    if !generics.params.is_empty() {
        let message = format!("a function under {name} has no generics");
        mistakes.push(Error::new(generics.span(), message));
    }
    if let Some(unsafety) = unsafety {
        let message = format!("a function under {name} is safe to call");
        mistakes.push(Error::new(unsafety.span, message));
    }
    if let (Entry::Test, Some(test)) = (entry, test) {
        let message = "#[lunation::test] makes the function a test: remove this attribute";
        mistakes.push(Error::new(test.span(), message));
    }
    let all = mistakes.into_iter().reduce(|mut all, mistake| {
        all.combine(mistake);
        all
    });
    all.map_or(Ok(()), Err)
}

fn is_test(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
}

/// The plain function. The async one is kept inside as it was written, so that the compiler's
/// messages about its body and its return type are those of an ordinary function.
fn build(entry: Entry, options: TokenStream, function: &ItemFn) -> syn::Result<TokenStream> {
    let Options { krate, setters } = parse2(options)?;
    let krate = krate.map_or_else(|| quote! { ::lunation }, |path| quote! { #path });
    let calls =
        setters.iter().map(|(name, value)| quote_spanned! { name.span() => .#name(#value) });
    let ItemFn { attrs, vis, sig, block } = function;
    let (name, output) = (&sig.ident, &sig.output);
    let test = (entry == Entry::Test).then(|| quote! { #[::core::prelude::v1::test] });
    Ok(quote! {
        #test
        #(#attrs)*
        #vis fn #name() #output {
            #sig #block
            let runtime = #krate::Runtime::builder() #(#calls)* .build();
            runtime.expect("the operating system provides poll and wake-up descriptors")
                .block_on(#name())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the attribute makes of the function, with blanks as in token streams.
    fn expanded(entry: Entry, options: &str, function: &str) -> String {
        let parse = |text: &str| text.parse().expect("the sample is Rust");
        expand(entry, parse(options), parse(function)).to_string()
    }

    /// The messages of the `compile_error!`s, joined.
    fn mistakes(entry: Entry, options: &str, function: &str) -> String {
        let text = expanded(entry, options, function);
        assert!(text.contains("compile_error"), "{text}");
        text.split('"').skip(1).step_by(2).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn main_keeps_signature_and_attributes() {
        let text = expanded(Entry::Main, "", "#[allow(x)] pub async fn main() -> T { body }");
        let expected = quote! {
            #[allow(x)]
            pub fn main() -> T {
                async fn main() -> T { body }
                let runtime = ::lunation::Runtime::builder().build();
                runtime.expect("the operating system provides poll and wake-up descriptors")
                    .block_on(main())
            }
        };
        assert_eq!(text, expected.to_string());
    }

    #[test]
    fn options_are_builder_calls() {
        let options = "start_paused = true, crate = my::lunation, drain_budget = Some(7),";
        let text = expanded(Entry::Test, options, "async fn a() {}");
        let runtime = quote! {
            my::lunation::Runtime::builder().start_paused(true).drain_budget(Some(7)).build()
        };
        assert!(text.contains(&runtime.to_string()), "{text}");
        assert!(text.starts_with(&quote! { #[::core::prelude::v1::test] }.to_string()), "{text}");
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("", "fn main() {}", "#[lunation::main] needs an async function: write `async fn`"),
            ("", "async fn main(a: u8) {}", "a function under #[lunation::main] has no arguments"),
            ("", "async fn main<T>() {}", "a function under #[lunation::main] has no generics"),
            ("", "struct Main;", "#[lunation::main] belongs on an async function"),
            (
                "threads = 2",
                "async fn main() {}",
                "unknown option `threads`: there are `crate`, `drain_budget`, `start_paused`, \
                 `strict_guards`, `on_unhandled`",
            ),
            ("crate = a, crate = b", "async fn main() {}", "`crate` is given twice"),
            (
                "start_paused = true, start_paused = true",
                "async fn main() {}",
                "`start_paused` is given twice",
            ),
        ];
        for (options, function, message) in cases {
            assert_eq!(mistakes(Entry::Main, options, function), message);
        }
    }

    #[test]
    fn all_mistakes_of_a_signature_are_reported_and_the_name_stays() {
        let text = mistakes(Entry::Test, "", "#[test] fn a(b: u8) {}");
        let expected = "#[lunation::test] needs an async function: write `async fn`; \
             a function under #[lunation::test] has no arguments; \
             #[lunation::test] makes the function a test: remove this attribute";
        assert_eq!(text, expected);
        let text = expanded(Entry::Test, "", "fn a(b: u8) {}");
        assert!(text.ends_with(&quote! { fn a() {} }.to_string()), "{text}");
    }
}
