//! `#[derive(Component)]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Field, Fields, Ident, LitStr, Type};

use crate::attributes::{ArgAttributes, ArgDefault, ComponentAttributes, Doc};
use crate::from_node::from_node_impl;

/// One field of the struct, with its attributes.
struct Argument<'a> {
    ident: &'a Ident,
    /// The key: the field's name without `r#`.
    key: String,
    ty: &'a Type,
    attributes: ArgAttributes,
    doc: String,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new_spanned(
            parameter,
            "a component has no generic parameters",
        ));
    }
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "a component is a struct; derive Choice for an enum",
        ));
    };
    let fields: Vec<&Field> = match &data.fields {
        Fields::Named(fields) => fields.named.iter().collect(),
        Fields::Unit => Vec::new(),
        Fields::Unnamed(fields) => {
            return Err(syn::Error::new_spanned(
                fields,
                "the fields of a component need names",
            ));
        }
    };
    let arguments: Vec<Argument<'_>> = fields
        .into_iter()
        .map(argument)
        .collect::<syn::Result<_>>()?;
    let attributes = ComponentAttributes::read(&input.attrs)?;
    distinct_keys(&arguments, &attributes)?;
    let component = component_impl(
        &input.ident,
        &attributes,
        &Doc::read(&input.attrs),
        &arguments,
    )?;
    let node = from_node_impl(
        &input.ident,
        &quote! { ::engraft_component::decode_component(node, cx) },
        &quote! { ::engraft_component::encode_component(self) },
        &quote! {
            ::engraft_component::Kind::Component(<Self as ::engraft_component::Component>::info())
        },
    );
    let default = default_impl(&input.ident, &attributes, &arguments);
    Ok(quote! { #component #node #default })
}

fn argument(field: &Field) -> syn::Result<Argument<'_>> {
    let Some(ident) = &field.ident else {
        return Err(syn::Error::new_spanned(
            field,
            "the fields of a component need names",
        ));
    };
    let attributes = ArgAttributes::read(&field.attrs)?;
    if attributes.flatten
        && (attributes.default.is_some() || !attributes.aliases.is_empty() || attributes.name_slot)
    {
        return Err(syn::Error::new_spanned(
            ident,
            "flatten goes with no other attribute",
        ));
    }
    let key = ident.to_string();
    Ok(Argument {
        ident,
        key: key.strip_prefix("r#").unwrap_or(&key).to_owned(),
        ty: &field.ty,
        attributes,
        doc: Doc::read(&field.attrs).text,
    })
}

/// Refuses a key that two arguments would share.
fn distinct_keys(arguments: &[Argument<'_>], attributes: &ComponentAttributes) -> syn::Result<()> {
    let mut keys: Vec<(String, Span)> = Vec::new();
    for argument in arguments
        .iter()
        .filter(|argument| !argument.attributes.flatten)
    {
        keys.push((argument.key.clone(), argument.ident.span()));
        let aliases = argument.attributes.aliases.iter();
        keys.extend(aliases.map(|alias| (alias.value(), alias.span())));
    }
    let ignored = attributes.ignored.iter();
    keys.extend(ignored.map(|(key, instead)| (key.clone(), instead.span())));
    for (index, (key, span)) in keys.iter().enumerate() {
        if keys.iter().take(index).any(|(earlier, _)| earlier == key) {
            return Err(syn::Error::new(*span, format!("the key `{key}` is taken")));
        }
    }
    Ok(())
}

/// `Option<..>`, whose default is none without saying so.
fn is_optional(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident == "Option"),
        _ => false,
    }
}

impl Argument<'_> {
    /// The default as an expression of the field's type.
    fn default(&self) -> Option<TokenStream> {
        match &self.attributes.default {
            Some(ArgDefault::Value(value)) => Some(quote! { #value }),
            Some(ArgDefault::Type) => Some(quote! { ::core::default::Default::default() }),
            None if is_optional(self.ty) => Some(quote! { ::core::option::Option::None }),
            None => None,
        }
    }

    fn decode(&self) -> TokenStream {
        let Self { ident, key, ty, .. } = self;
        if self.attributes.flatten {
            return quote! { #ident: <#ty as ::engraft_component::Component>::decode(fields, cx)? };
        }
        let aliases = &self.attributes.aliases;
        let default = match self.default() {
            Some(value) => quote! { ::core::option::Option::Some(|| -> #ty { #value }) },
            None => quote! { ::core::option::Option::None },
        };
        quote! { #ident: fields.take::<#ty>(#key, &[#(#aliases),*], #default, cx)? }
    }

    fn encode(&self) -> TokenStream {
        let Self { ident, key, .. } = self;
        if self.attributes.flatten {
            quote! { ::engraft_component::Component::encode(&self.#ident, arguments); }
        } else {
            quote! { arguments.set(#key, ::engraft_component::FromNode::to_node(&self.#ident)); }
        }
    }

    fn keys(&self) -> TokenStream {
        let Self { key, ty, .. } = self;
        if self.attributes.flatten {
            return quote! { <#ty as ::engraft_component::Component>::keys(keys); };
        }
        let aliases = &self.attributes.aliases;
        quote! { keys.push(#key); #(keys.push(#aliases);)* }
    }

    fn ignored(&self) -> Option<TokenStream> {
        let ty = self.ty;
        self.attributes
            .flatten
            .then(|| quote! { ignored.extend(<#ty as ::engraft_component::Component>::ignored()); })
    }

    fn describe(&self) -> TokenStream {
        let Self { key, ty, doc, .. } = self;
        if self.attributes.flatten {
            return quote! { arguments.extend(<#ty as ::engraft_component::Component>::arguments()); };
        }
        let aliases = &self.attributes.aliases;
        let default = match self.default() {
            Some(value) => {
                quote! { ::core::option::Option::Some({ let value: #ty = #value; value }) }
            }
            None => quote! { <#ty as ::engraft_component::FromNode>::absent() },
        };
        quote! {
            let default: ::core::option::Option<#ty> = #default;
            let default = default.map(|value| {
                ::engraft_component::to_flow(&::engraft_component::FromNode::to_node(&value))
            });
            arguments.push(::engraft_component::Argument {
                name: #key,
                aliases: &[#(#aliases),*],
                doc: #doc,
                kind: <#ty as ::engraft_component::FromNode>::kind(),
                required: default.is_none(),
                default,
            });
        }
    }
}

fn component_impl(
    ident: &Ident,
    attributes: &ComponentAttributes,
    doc: &Doc,
    arguments: &[Argument<'_>],
) -> syn::Result<TokenStream> {
    let name = match &attributes.name {
        Some(name) => name.clone(),
        None => LitStr::new(&ident.to_string(), ident.span()),
    };
    let aliases = &attributes.aliases;
    let (summary, doc) = (&doc.summary, &doc.text);
    let slots: Vec<&Argument<'_>> = arguments
        .iter()
        .filter(|argument| argument.attributes.name_slot)
        .collect();
    let slot = match slots.as_slice() {
        [] => quote! { ::core::option::Option::None },
        [argument] => {
            let key = &argument.key;
            quote! { ::core::option::Option::Some(#key) }
        }
        [_, second, ..] => {
            return Err(syn::Error::new_spanned(
                second.ident,
                "a component has one name slot",
            ));
        }
    };
    let describe = arguments.iter().map(Argument::describe);
    let keys = arguments.iter().map(Argument::keys);
    let decode = arguments.iter().map(Argument::decode);
    let encode = arguments.iter().map(Argument::encode);
    let flattened = arguments.iter().filter_map(Argument::ignored);
    let ignored = attributes.ignored.iter().map(|(key, instead)| {
        quote! { ignored.push(::engraft_component::Ignored { key: #key, instead: #instead }); }
    });
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_mut, unused_variables, clippy::vec_init_then_push)]
        impl ::engraft_component::Component for #ident {
            const NAME: &'static str = #name;
            const ALIASES: &'static [&'static str] = &[#(#aliases),*];
            const SUMMARY: &'static str = #summary;
            const DOC: &'static str = #doc;
            const NAME_SLOT: ::core::option::Option<&'static str> = #slot;

            fn arguments() -> ::std::vec::Vec<::engraft_component::Argument> {
                let mut arguments = ::std::vec::Vec::new();
                #(#describe)*
                arguments
            }

            fn ignored() -> ::std::vec::Vec<::engraft_component::Ignored> {
                let mut ignored = ::std::vec::Vec::new();
                #(#ignored)*
                #(#flattened)*
                ignored
            }

            fn keys(keys: &mut ::std::vec::Vec<&'static str>) {
                #(#keys)*
            }

            fn decode(
                fields: &mut ::engraft_component::Fields<'_>,
                cx: &mut ::engraft_component::Context,
            ) -> ::core::result::Result<Self, ::engraft_component::Refusal> {
                ::core::result::Result::Ok(Self { #(#decode),* })
            }

            fn encode(&self, arguments: &mut ::engraft_component::Mapping) {
                #(#encode)*
            }
        }
    })
}

/// `Default`, if every field that is not flattened has a default; the flattened decide by their own.
fn default_impl(
    ident: &Ident,
    attributes: &ComponentAttributes,
    arguments: &[Argument<'_>],
) -> Option<TokenStream> {
    if attributes.no_default {
        return None;
    }
    let mut values = Vec::new();
    let mut bounds = Vec::new();
    for argument in arguments {
        let field = argument.ident;
        let value = if argument.attributes.flatten {
            let ty = argument.ty;
            bounds.push(conditional_default(ty));
            quote! { <#ty as ::core::default::Default>::default() }
        } else {
            argument.default()?
        };
        values.push(quote! { #field: #value });
    }
    Some(quote! {
        #[automatically_derived]
        impl ::core::default::Default for #ident
        where
            #(#bounds,)*
        {
            fn default() -> Self {
                Self { #(#values),* }
            }
        }
    })
}

/// A bound that makes an impl vanish, instead of failing, where `ty` has no `Default`.
///
/// The compiler reports a false bound without parameters as an error, but leaves one over a lifetime open.
pub(crate) fn conditional_default(ty: &Type) -> TokenStream {
    let lifetime = syn::Lifetime::new("'__any", Span::call_site());
    let bound = format_ident!("DefaultIfAny");
    quote! { for<#lifetime> #ty: ::engraft_component::#bound<#lifetime> }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn expanded(input: &DeriveInput) -> String {
        expand(input)
            .map(|tokens| tokens.to_string())
            .unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn only_structs_with_named_fields_are_components() {
        let enumeration = "a component is a struct; derive Choice for an enum";
        assert_eq!(
            expanded(&parse_quote!(
                enum A {
                    B,
                }
            )),
            enumeration
        );
        assert_eq!(
            expanded(&parse_quote!(
                struct A(u8);
            )),
            "the fields of a component need names"
        );
        assert_eq!(
            expanded(&parse_quote!(
                struct A<T> {
                    t: T,
                }
            )),
            "a component has no generic parameters"
        );
    }

    #[test]
    fn attributes_that_contradict_each_other_are_refused() {
        let flatten = "flatten goes with no other attribute";
        assert_eq!(
            expanded(&parse_quote!(
                struct A {
                    #[arg(flatten, default)]
                    b: B,
                }
            )),
            flatten
        );
        assert_eq!(
            expanded(&parse_quote!(
                struct A {
                    #[arg(name_slot)]
                    b: String,
                    #[arg(name_slot)]
                    c: String,
                }
            )),
            "a component has one name slot"
        );
        assert_eq!(
            expanded(&parse_quote!(
                struct A {
                    #[arg(rename = "x")]
                    b: B,
                }
            )),
            "expected default, alias, flatten or name_slot"
        );
        assert_eq!(
            expanded(&parse_quote!(
                #[component(rename = "x")]
                struct A;
            )),
            "expected name, alias, ignored or no_default"
        );
    }

    #[test]
    fn a_key_belongs_to_one_argument() {
        assert_eq!(
            expanded(&parse_quote!(
                struct A {
                    b: B,
                    #[arg(alias = "b")]
                    c: C,
                }
            )),
            "the key `b` is taken"
        );
        assert_eq!(
            expanded(&parse_quote!(
                #[component(ignored(b = "x"))]
                struct A {
                    b: B,
                }
            )),
            "the key `b` is taken"
        );
    }

    #[test]
    fn default_is_made_only_where_nothing_is_required() {
        let makes_default = |input: &DeriveInput| expanded(input).contains("Default for A");
        assert!(makes_default(&parse_quote!(
            struct A {
                #[arg(default = 1)]
                b: u8,
                c: Option<u8>,
            }
        )));
        assert!(!makes_default(&parse_quote!(
            struct A {
                b: u8,
            }
        )));
        assert!(!makes_default(&parse_quote!(
            #[component(no_default)]
            struct A {
                b: Option<u8>,
            }
        )));
    }
}
