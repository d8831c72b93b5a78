//! `#[derive(Choice)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, GenericArgument, Ident, PathArguments, Type};

use crate::attributes::{ChoiceAttributes, in_words};
use crate::component::conditional_default;
use crate::from_node::from_node_impl;

/// One variant with the component it holds.
struct Class<'a> {
    ident: &'a Ident,
    ty: &'a Type,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    if let Some(parameter) = input.generics.params.first() {
        return Err(syn::Error::new_spanned(
            parameter,
            "a choice has no generic parameters",
        ));
    }
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "a choice is an enum; derive Component for a struct",
        ));
    };
    let mut classes = Vec::new();
    for variant in &data.variants {
        match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                classes.extend(fields.unnamed.first().map(|field| Class {
                    ident: &variant.ident,
                    ty: &field.ty,
                }));
            }
            _ => {
                return Err(syn::Error::new_spanned(
                    variant,
                    "every variant of a choice holds one component",
                ));
            }
        }
    }
    if classes.is_empty() {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "a choice has at least one variant",
        ));
    }
    let attributes = ChoiceAttributes::read(&input.attrs)?;
    let choice = choice_impl(&input.ident, &attributes, &classes)?;
    let node = node_impl(&input.ident, &classes);
    let default = default_impl(&input.ident, &attributes, &classes)?;
    let from = classes.iter().map(|class| from_impl(&input.ident, class));
    Ok(quote! { #choice #node #default #(#from)* })
}

/// `From` the component, and from what a box holds.
fn from_impl(name: &Ident, class: &Class<'_>) -> TokenStream {
    let Class { ident, ty } = class;
    let unboxed = boxed(ty).map(|inner| {
        quote! {
            #[automatically_derived]
            impl ::core::convert::From<#inner> for #name {
                fn from(component: #inner) -> Self {
                    Self::#ident(::std::boxed::Box::new(component))
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl ::core::convert::From<#ty> for #name {
            fn from(component: #ty) -> Self {
                Self::#ident(component)
            }
        }
        #unboxed
    }
}

/// The type in a `Box<..>`.
fn boxed(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let segment = path
        .path
        .segments
        .last()
        .filter(|segment| segment.ident == "Box")?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}

fn named<'a>(classes: &'a [Class<'a>], ident: &Ident) -> syn::Result<&'a Class<'a>> {
    classes
        .iter()
        .find(|class| class.ident == ident)
        .ok_or_else(|| syn::Error::new_spanned(ident, "no such variant"))
}

/// The name of the class in a variant, or none.
fn class_name(classes: &[Class<'_>], ident: Option<&Ident>) -> syn::Result<TokenStream> {
    Ok(match ident {
        None => quote! { ::core::option::Option::None },
        Some(ident) => {
            let ty = named(classes, ident)?.ty;
            quote! { ::core::option::Option::Some(<#ty as ::engraft_component::Component>::NAME) }
        }
    })
}

fn choice_impl(
    ident: &Ident,
    attributes: &ChoiceAttributes,
    classes: &[Class<'_>],
) -> syn::Result<TokenStream> {
    let kind = match &attributes.kind {
        Some(kind) => kind.value(),
        None => in_words(ident, ' '),
    };
    let default = class_name(classes, attributes.default.as_ref())?;
    let otherwise = class_name(classes, attributes.otherwise.as_ref())?;
    let absent = attributes
        .absent
        .iter()
        .map(|(name, reason)| quote! { (#name, #reason) });
    let ready_made = attributes.ready_made.as_ref();
    let ready_made = ready_made.map(|list| {
        quote! { const READY_MADE: &'static [::engraft_component::ReadyMade] = #list; }
    });
    let idents: Vec<&Ident> = classes.iter().map(|class| class.ident).collect();
    let types: Vec<&Type> = classes.iter().map(|class| class.ty).collect();
    let positions: Vec<usize> = (0..classes.len()).collect();
    // The last class also takes the positions that cannot occur, so that there is nothing to panic about.
    let (Some(last_ident), Some(last_type)) = (idents.last(), types.last()) else {
        return Err(syn::Error::new_spanned(
            ident,
            "a choice has at least one variant",
        ));
    };
    let earlier = classes.len() - 1;
    let arms = idents.iter().zip(&types).zip(&positions).take(earlier).map(|((ident, ty), position)| {
        quote! { #position => ::engraft_component::decode_variant::<#ty>(fields, cx).map(Self::#ident), }
    });
    let slots = types.iter().zip(&positions).map(|(ty, position)| {
        quote! { #position => <#ty as ::engraft_component::Component>::NAME_SLOT, }
    });
    Ok(quote! {
        #[automatically_derived]
        impl ::engraft_component::Choice for #ident {
            const KIND_NAME: &'static str = #kind;
            const DEFAULT: ::core::option::Option<&'static str> = #default;
            const OTHERWISE: ::core::option::Option<&'static str> = #otherwise;
            const ABSENT: &'static [(&'static str, &'static str)] = &[#(#absent),*];
            #ready_made

            fn variants() -> ::std::vec::Vec<::engraft_component::ComponentInfo> {
                ::engraft_component::with_ready_made(
                    ::std::vec![#(<#types as ::engraft_component::Component>::info()),*],
                    <Self as ::engraft_component::Choice>::READY_MADE,
                )
            }

            fn decode(
                position: usize,
                fields: ::engraft_component::Fields<'_>,
                cx: &mut ::engraft_component::Context,
            ) -> ::core::result::Result<Self, ::engraft_component::Refusal> {
                match position {
                    #(#arms)*
                    _ => ::engraft_component::decode_variant::<#last_type>(fields, cx).map(Self::#last_ident),
                }
            }

            fn name_slot(position: usize) -> ::core::option::Option<&'static str> {
                match position {
                    #(#slots)*
                    _ => ::core::option::Option::None,
                }
            }

            fn name(&self) -> &'static str {
                match self {
                    #(Self::#idents(_) => <#types as ::engraft_component::Component>::NAME,)*
                }
            }
        }
    })
}

fn node_impl(ident: &Ident, classes: &[Class<'_>]) -> TokenStream {
    let idents = classes.iter().map(|class| class.ident);
    from_node_impl(
        ident,
        &quote! { ::engraft_component::decode_choice(node, cx) },
        &quote! {
            match self {
                #(Self::#idents(component) => ::engraft_component::encode_variant(component),)*
            }
        },
        &quote! { ::engraft_component::Kind::Choice(<Self as ::engraft_component::Choice>::info()) },
    )
}

fn default_impl(
    ident: &Ident,
    attributes: &ChoiceAttributes,
    classes: &[Class<'_>],
) -> syn::Result<Option<TokenStream>> {
    let (false, Some(default)) = (attributes.no_default, &attributes.default) else {
        return Ok(None);
    };
    let class = named(classes, default)?;
    let (variant, ty) = (class.ident, class.ty);
    let bound = conditional_default(ty);
    Ok(Some(quote! {
        #[automatically_derived]
        impl ::core::default::Default for #ident
        where
            #bound,
        {
            fn default() -> Self {
                Self::#variant(<#ty as ::core::default::Default>::default())
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn refusal(input: &DeriveInput) -> String {
        expand(input)
            .map(|_| String::new())
            .unwrap_or_else(|error| error.to_string())
    }

    #[test]
    fn names_become_words() {
        assert_eq!(in_words(&parse_quote!(LrScheduler), ' '), "lr scheduler");
        assert_eq!(in_words(&parse_quote!(Optimizer), ' '), "optimizer");
    }

    #[test]
    fn only_enums_of_single_components_are_choices() {
        assert_eq!(
            refusal(&parse_quote!(
                struct A;
            )),
            "a choice is an enum; derive Component for a struct"
        );
        assert_eq!(
            refusal(&parse_quote!(
                enum A {}
            )),
            "a choice has at least one variant"
        );
        let message = "every variant of a choice holds one component";
        assert_eq!(
            refusal(&parse_quote!(
                enum A {
                    B,
                }
            )),
            message
        );
        assert_eq!(
            refusal(&parse_quote!(
                enum A {
                    B(C, D),
                }
            )),
            message
        );
        assert_eq!(
            refusal(&parse_quote!(
                enum A {
                    B { c: C },
                }
            )),
            message
        );
        assert_eq!(
            refusal(&parse_quote!(
                enum A<T> {
                    B(T),
                }
            )),
            "a choice has no generic parameters"
        );
        assert_eq!(
            refusal(&parse_quote!(
                enum A {
                    B(C),
                }
            )),
            ""
        );
    }

    #[test]
    fn attributes_name_variants_that_exist() {
        assert_eq!(
            refusal(&parse_quote!(
                #[choice(default = X)]
                enum A {
                    B(C),
                }
            )),
            "no such variant"
        );
        assert_eq!(
            refusal(&parse_quote!(
                #[choice(otherwise = X)]
                enum A {
                    B(C),
                }
            )),
            "no such variant"
        );
        assert_eq!(
            refusal(&parse_quote!(
                #[choice(fallback = B)]
                enum A {
                    B(C),
                }
            )),
            "expected default, otherwise, kind, absent, ready_made or no_default"
        );
    }
}
