//! `#[derive(Words)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Ident, LitStr, Type};

use crate::attributes::{WordAttributes, in_words};
use crate::from_node::from_node_impl;

/// A variant: words of its own, or all those of the enum that it holds.
enum Variant<'a> {
    Word {
        ident: &'a Ident,
        name: LitStr,
        aliases: Vec<LitStr>,
    },
    Nested {
        ident: &'a Ident,
        ty: &'a Type,
    },
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "words are the variants of an enum",
        ));
    };
    let variants: Vec<Variant<'_>> = data
        .variants
        .iter()
        .map(variant)
        .collect::<syn::Result<_>>()?;
    distinct(&variants)?;
    // Names before aliases: what is listed first is what is written.
    let names = variants.iter().map(|variant| match variant {
        Variant::Word { ident, name, .. } => quote! { words.push((#name, Self::#ident)); },
        Variant::Nested { ident, ty } => quote! {
            let nested = <#ty as ::engraft_component::Words>::words().into_iter();
            words.extend(nested.map(|(word, value)| (word, Self::#ident(value))));
        },
    });
    let aliases = variants.iter().filter_map(|variant| match variant {
        Variant::Word { ident, aliases, .. } => {
            Some(quote! { #(words.push((#aliases, Self::#ident));)* })
        }
        Variant::Nested { .. } => None,
    });
    let ident = &input.ident;
    let node = from_node_impl(
        ident,
        &quote! { ::engraft_component::decode_word(node, cx) },
        &quote! { ::engraft_component::encode_word(self) },
        &quote! { ::engraft_component::kind_of_words::<Self>() },
    );
    Ok(quote! {
        #[automatically_derived]
        impl ::engraft_component::Words for #ident {
            #[allow(clippy::vec_init_then_push)]
            fn words() -> ::std::vec::Vec<(&'static str, Self)> {
                let mut words = ::std::vec::Vec::new();
                #(#names)*
                #(#aliases)*
                words
            }
        }

        #node
    })
}

fn variant(variant: &syn::Variant) -> syn::Result<Variant<'_>> {
    let ident = &variant.ident;
    let attributes = WordAttributes::read(&variant.attrs)?;
    match &variant.fields {
        Fields::Unit => Ok(Variant::Word {
            ident,
            name: match attributes.name {
                Some(name) => name,
                None => LitStr::new(&in_words(ident, '_'), ident.span()),
            },
            aliases: attributes.aliases,
        }),
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 && attributes.is_empty() => {
            let field = fields.unnamed.first();
            let ty = field.map(|field| &field.ty);
            ty.map(|ty| Variant::Nested { ident, ty }).ok_or_else(|| {
                syn::Error::new_spanned(variant, "a variant holds one enum of words")
            })
        }
        _ => Err(syn::Error::new_spanned(
            variant,
            "a variant is a word, or holds another enum of words and has no attributes",
        )),
    }
}

/// Refuses a word that two variants would share.
fn distinct(variants: &[Variant<'_>]) -> syn::Result<()> {
    let mut taken: Vec<String> = Vec::new();
    for variant in variants {
        let Variant::Word { name, aliases, .. } = variant else {
            continue;
        };
        for word in std::iter::once(name).chain(aliases) {
            let text = word.value().to_ascii_lowercase();
            if taken.contains(&text) {
                return Err(syn::Error::new_spanned(
                    word,
                    format!("the word `{text}` is taken"),
                ));
            }
            taken.push(text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn refusal(input: &DeriveInput) -> String {
        expand(input).map_or_else(|error| error.to_string(), |_| "none".to_owned())
    }

    #[test]
    fn only_enums_of_words_and_of_their_like_are_words() {
        assert_eq!(
            refusal(&parse_quote!(
                struct A;
            )),
            "words are the variants of an enum"
        );
        let other = "a variant is a word, or holds another enum of words and has no attributes";
        assert_eq!(
            refusal(&parse_quote!(
                enum A {
                    B { c: C },
                }
            )),
            other
        );
        assert_eq!(
            refusal(&parse_quote!(
                enum A {
                    #[word(name = "b")]
                    B(C),
                }
            )),
            other
        );
        assert_eq!(
            refusal(&parse_quote!(
                enum A {
                    #[word(rename = "b")]
                    B,
                }
            )),
            "expected name or alias"
        );
    }

    #[test]
    fn a_word_has_one_value() {
        assert_eq!(
            refusal(&parse_quote!(
                enum A {
                    #[word(alias = "C")]
                    B,
                    C,
                }
            )),
            "the word `c` is taken"
        );
    }
}
