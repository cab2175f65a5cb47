//! The options between the parentheses of an attribute: `name = value, ..`.

use syn::{
    Expr, Ident, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream},
};

/// Methods of the runtime's builder that an option may call.
const SETTERS: [&str; 4] = ["drain_budget", "start_paused", "strict_guards", "on_unhandled"];

/// What the attribute asks for.
pub(crate) struct Options {
    /// The path of the facade crate; `::lunation` unless given.
    pub(crate) krate: Option<Path>,
    /// Builder methods with their argument, in the order written.
    pub(crate) setters: Vec<(Ident, Expr)>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Options> {
        let mut options = Options { krate: None, setters: Vec::new() };
        while !input.is_empty() {
            options.parse_one(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(options)
    }
}

impl Options {
    fn parse_one(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let name = input.call(Ident::parse_any)?;
        let is_given = match &self.krate {
            Some(_) if name == "crate" => true,
            _ => self.setters.iter().any(|(given, _)| *given == name),
        };
        if is_given {
            return Err(syn::Error::new(name.span(), format!("`{name}` is given twice")));
        }
        if name != "crate" && SETTERS.iter().all(|setter| name != setter) {
            let known = SETTERS.join("`, `");
            let message = format!("unknown option `{name}`: there are `crate`, `{known}`");
            return Err(syn::Error::new(name.span(), message));
        }
        input.parse::<Token![=]>()?;
        if name == "crate" {
            self.krate = Some(input.call(Path::parse_mod_style)?);
        } else {
            self.setters.push((name, input.parse()?));
        }
        Ok(())
    }
}
