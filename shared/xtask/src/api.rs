//! Lists the public API of the crate of the stages, so that a change of it is seen.
//!
//! The listing comes from the sources: rustdoc's JSON has more in it, but stable Rust writes none, and its format changes
//! with the compiler. A test of the crate checks properties that the sources do not say, such as `Send`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use quote::{ToTokens, quote};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Field, Fields, ImplItem, Item, ItemImpl, ItemUse, TraitItem, Type, UseTree,
    Visibility, parse_quote,
};

use crate::steps::root;

const CRATE: &str = "shared/stage";
const LISTING: &str = "shared/stage/api.txt";

/// Writes the listing, and prints its changes.
///
/// # Errors
///
/// If a source cannot be understood, or the listing cannot be written.
pub fn write() -> Result<()> {
    let path = root().join(LISTING);
    let before = fs::read_to_string(&path).unwrap_or_default();
    let now = listing(&root().join(CRATE).join("src"))?;
    if before == now {
        return Ok(());
    }
    fs::write(&path, &now).with_context(|| format!("cannot write {LISTING}"))?;
    println!("The public API of {CRATE} has changed:");
    println!("{}", changes(&before.lines().collect::<Vec<_>>(), &now.lines().collect::<Vec<_>>()));
    println!(
        "Items that were removed or changed can break other programs. To accept it, commit {LISTING}, with a line in CHANGELOG.md."
    );
    Ok(())
}

/// The lines that were removed and added, below the names of their items.
fn changes(before: &[&str], now: &[&str]) -> String {
    let mut changes = String::new();
    let mut last = None;
    for op in capture_diff_slices(Algorithm::RawMyers, before, now) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let is_name = |line: &&&str| line.starts_with("// ");
        let item = now[..op.new_range().start].iter().rfind(is_name);
        if item != last {
            last = item;
            changes.extend(item.iter().flat_map(|item| [**item, "\n"]));
        }
        changes.extend(before[op.old_range()].iter().flat_map(|line| ["- ", line, "\n"]));
        changes.extend(now[op.new_range()].iter().flat_map(|line| ["+ ", line, "\n"]));
    }
    changes
}

/// A module's path below the crate.
type Module = Vec<String>;

/// All public items of the crate in this folder, as Rust.
fn listing(folder: &Path) -> Result<String> {
    let mut items = Vec::new();
    read(&folder.join("lib.rs"), folder, &Module::new(), &mut items)?;
    let mut exports = exports(&items)?;
    exports.sort_by(|(a, _, one), (b, _, other)| (a, one).cmp(&(b, other)));
    let exported: Vec<_> = exports.iter().map(|(_, _, name)| name.as_str()).collect();
    let own_traits: Vec<_> = items
        .iter()
        .filter(|(_, item)| matches!(item, Item::Trait(_)))
        .map(|(_, item)| name(item))
        .collect();
    let is_shown = |it: &str| exported.contains(&it) || !own_traits.iter().any(|own| own == it);

    let mut listing = String::new();
    for (prefix, module, export) in &exports {
        let found = items.iter().find(|(at, item)| at == module && name(item) == *export);
        let (_, item) = found.with_context(|| format!("{prefix}{export} is not found"))?;
        // The compiler's lint for this also asks for it where no user can name the type.
        let is_type = matches!(item, Item::Struct(_) | Item::Enum(_));
        ensure!(!is_type || is_debug(item, &items), "{prefix}{export} has no Debug");
        listing.extend(["\n// ", prefix, export, "\n"]);
        listing += &shown(item.clone())?.to_string();
        for (_, item) in &items {
            if let Item::Impl(it) = item
                && last_name(&it.self_ty) == *export
                && it.trait_.as_ref().is_none_or(|(path, _)| is_shown(&last_of(path)))
            {
                listing += "\n";
                listing += &shown_impl(it).to_string();
            }
        }
        listing += "\n";
    }
    let listing = formatted(&listing)?;
    Ok(listing.replace("__: __,", "// private fields").replace("__", "/* private */"))
}

/// Whether this type derives or implements `Debug`.
fn is_debug(item: &Item, items: &[(Module, Item)]) -> bool {
    let (Item::Struct(syn::ItemStruct { attrs, .. }) | Item::Enum(syn::ItemEnum { attrs, .. })) =
        item
    else {
        return false;
    };
    let derives = |attribute: &Attribute| {
        let words = attribute.to_token_stream().to_string();
        attribute.path().is_ident("derive") && words.contains("Debug")
    };
    let implements = |other: &Item| {
        let Item::Impl(it) = other else { return false };
        let is_debug = it.trait_.as_ref().is_some_and(|(path, _)| last_of(path) == "Debug");
        is_debug && last_name(&it.self_ty) == name(item)
    };
    attrs.iter().any(derives) || items.iter().any(|(_, other)| implements(other))
}

/// Reads a file and the files of its modules, except for tests.
fn read(
    file: &Path,
    folder: &Path,
    module: &Module,
    items: &mut Vec<(Module, Item)>,
) -> Result<()> {
    let source =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let parsed =
        syn::parse_file(&source).with_context(|| format!("cannot parse {}", file.display()))?;
    for item in parsed.items {
        if let Item::Mod(it) = &item
            && it.content.is_none()
            && !it.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"))
        {
            let name = it.ident.to_string();
            let (alone, below) = (folder.join(format!("{name}.rs")), folder.join(&name));
            let file = if alone.exists() { alone } else { below.join("mod.rs") };
            read(&file, &below, &[module.clone(), vec![name]].concat(), items)?;
        }
        items.push((module.clone(), item));
    }
    Ok(())
}

/// The exports of the crate: a prefix for the name, the module of the item, and its name there.
fn exports(items: &[(Module, Item)]) -> Result<Vec<(String, Module, String)>> {
    let mut exports = Vec::new();
    for (_, item) in items.iter().filter(|(module, _)| module.is_empty()) {
        match item {
            Item::Use(ItemUse { vis: Visibility::Public(_), tree, .. }) => {
                names(tree, &Module::new(), &mut exports)?;
            }
            Item::Mod(it) if is_public(&it.vis) => {
                let module = vec![it.ident.to_string()];
                let own = items.iter().filter(|(at, item)| *at == module && is_public_item(item));
                let prefix = format!("{}::", it.ident);
                exports.extend(own.map(|(_, item)| (prefix.clone(), module.clone(), name(item))));
            }
            item if is_public_item(item) => {
                exports.push((String::new(), Module::new(), name(item)));
            }
            _ => {}
        }
    }
    Ok(exports)
}

/// The names that a `pub use` exports.
fn names(
    tree: &UseTree,
    module: &Module,
    exports: &mut Vec<(String, Module, String)>,
) -> Result<()> {
    match tree {
        UseTree::Path(it) => {
            let module = [module.clone(), vec![it.ident.to_string()]].concat();
            names(&it.tree, &module, exports)?;
        }
        UseTree::Group(it) => it.items.iter().try_for_each(|tree| names(tree, module, exports))?,
        UseTree::Name(it) => exports.push((String::new(), module.clone(), it.ident.to_string())),
        _ => bail!("a `pub use` with a new name or a star is not understood here"),
    }
    Ok(())
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn is_public_item(item: &Item) -> bool {
    match item {
        Item::Const(it) => is_public(&it.vis),
        Item::Enum(it) => is_public(&it.vis),
        Item::Fn(it) => is_public(&it.vis),
        Item::Struct(it) => is_public(&it.vis),
        Item::Trait(it) => is_public(&it.vis),
        Item::Type(it) => is_public(&it.vis),
        _ => false,
    }
}

fn name(item: &Item) -> String {
    match item {
        Item::Const(it) => it.ident.to_string(),
        Item::Enum(it) => it.ident.to_string(),
        Item::Fn(it) => it.sig.ident.to_string(),
        Item::Struct(it) => it.ident.to_string(),
        Item::Trait(it) => it.ident.to_string(),
        Item::Type(it) => it.ident.to_string(),
        _ => String::new(),
    }
}

fn last_name(of: &Type) -> String {
    if let Type::Path(it) = of { last_of(&it.path) } else { String::new() }
}

fn last_of(path: &syn::Path) -> String {
    path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default()
}

/// An item without the parts that its users do not see.
fn shown(item: Item) -> Result<impl ToTokens + ToString> {
    Ok(match item {
        Item::Const(mut it) => {
            keep_shown(&mut it.attrs);
            it.into_token_stream()
        }
        Item::Type(mut it) => {
            keep_shown(&mut it.attrs);
            it.into_token_stream()
        }
        Item::Fn(mut it) => {
            keep_shown(&mut it.attrs);
            let (attributes, visibility, signature) = (it.attrs, it.vis, it.sig);
            quote! { #(#attributes)* #visibility #signature; }
        }
        Item::Struct(mut it) => {
            keep_shown(&mut it.attrs);
            hide_private(&mut it.fields);
            it.into_token_stream()
        }
        Item::Enum(mut it) => {
            keep_shown(&mut it.attrs);
            for variant in &mut it.variants {
                keep_shown(&mut variant.attrs);
                variant.fields.iter_mut().for_each(|field| keep_shown(&mut field.attrs));
            }
            it.into_token_stream()
        }
        Item::Trait(mut it) => {
            keep_shown(&mut it.attrs);
            for item in &mut it.items {
                match item {
                    TraitItem::Fn(it) => {
                        keep_shown(&mut it.attrs);
                        // A method with a body need not be implemented.
                        if let Some(body) = &mut it.default {
                            *body = parse_quote!({});
                        }
                    }
                    TraitItem::Type(it) => keep_shown(&mut it.attrs),
                    TraitItem::Const(it) => keep_shown(&mut it.attrs),
                    _ => {}
                }
            }
            it.into_token_stream()
        }
        other => {
            bail!("an item of this kind is not understood here: {}", other.into_token_stream())
        }
    })
}

/// Keeps the attributes that matter to users.
fn keep_shown(attributes: &mut Vec<Attribute>) {
    let shown = ["derive", "non_exhaustive", "must_use", "default"];
    attributes.retain(|attribute| shown.iter().any(|it| attribute.path().is_ident(it)));
}

fn hide_private(fields: &mut Fields) {
    fields.iter_mut().for_each(|field| keep_shown(&mut field.attrs));
    let is_private = |field: &Field| !is_public(&field.vis);
    match fields {
        Fields::Named(it) if it.named.iter().any(is_private) => {
            let public = it.named.iter().filter(|field| !is_private(field)).cloned();
            it.named = public.collect::<Punctuated<_, _>>();
            it.named.push(parse_quote!(__: __));
        }
        Fields::Unnamed(it) => {
            for field in it.unnamed.iter_mut().filter(|field| is_private(field)) {
                field.vis = Visibility::Inherited;
                field.ty = parse_quote!(__);
            }
        }
        _ => {}
    }
}

/// The header of an implementation, and its items for users. Nothing if it has none.
fn shown_impl(it: &ItemImpl) -> impl ToTokens + ToString {
    let (generics, _, bounds) = it.generics.split_for_impl();
    let of = &it.self_ty;
    if let Some((implemented, _)) = &it.trait_ {
        let types = it.items.iter().filter(|item| matches!(item, ImplItem::Type(_)));
        return quote! { impl #generics #implemented for #of #bounds { #(#types)* } };
    }
    let methods: Vec<_> = it
        .items
        .iter()
        .filter_map(|item| match item {
            ImplItem::Fn(it) if is_public(&it.vis) => {
                let mut attributes = it.attrs.clone();
                keep_shown(&mut attributes);
                let (visibility, signature) = (&it.vis, &it.sig);
                Some(quote! { #(#attributes)* #visibility #signature; })
            }
            _ => None,
        })
        .collect();
    if methods.is_empty() {
        quote! {}
    } else {
        quote! { impl #generics #of #bounds { #(#methods)* } }
    }
}

fn formatted(source: &str) -> Result<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=100"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run rustfmt")?;
    let mut input = rustfmt.stdin.take().context("rustfmt has no standard input")?;
    input.write_all(source.as_bytes())?;
    drop(input);
    let output = rustfmt.wait_with_output()?;
    ensure!(output.status.success(), "rustfmt does not understand the listing");
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing_of(files: &[(&str, &str)]) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        for (file, source) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, source).unwrap();
        }
        listing(folder.path())
    }

    #[test]
    fn changes_are_told_with_the_item_that_they_are_in() {
        let before = ["// A", "impl A {", "    fn one();", "    fn two();", "}", "// B", "}"];
        let now = ["// A", "impl A {", "    fn two(x: u8);", "}", "// B", "    fn new();", "}"];
        assert_eq!(
            changes(&before, &now),
            "// A\n-     fn one();\n-     fn two();\n+     fn two(x: u8);\n// B\n+     fn new();\n"
        );
    }

    #[test]
    fn a_type_without_debug_is_a_mistake() {
        let error = listing_of(&[("lib.rs", "pub struct Bare;")]).unwrap_err();
        assert_eq!(error.to_string(), "Bare has no Debug");
    }

    #[test]
    fn what_users_see_is_listed_and_nothing_else() {
        let lib = "mod a; pub mod kit; pub use a::{Shown, Trait}; /// Words.
            #[must_use] pub fn zoom(x: u8) -> u8 { x + 1 } fn hidden() {} #[cfg(test)] mod rules;";
        let a = "/// Words.
            #[derive(Clone, Debug)] pub struct Shown { pub open: u8, shut: u8 }
            impl Shown { pub fn open(&self) -> u8 { self.open } fn shut(&self) {} }
            impl Hidden for Shown {}
            impl Iterator for Shown { type Item = u8; fn next(&mut self) -> Option<u8> { None } }
            pub trait Trait { type It; fn required(&self); fn provided(&self) { call(1); } }
            pub trait Hidden {}
            pub struct Unseen;";
        let kit = "pub struct Pair(u8, pub u16); impl fmt::Debug for Pair { fn fmt() {} }";
        let listing = listing_of(&[("lib.rs", lib), ("a/mod.rs", a), ("kit.rs", kit)]).unwrap();
        assert_eq!(
            listing,
            "// Shown
#[derive(Clone, Debug)]
pub struct Shown {
    pub open: u8,
    // private fields
}
impl Shown {
    pub fn open(&self) -> u8;
}
impl Iterator for Shown {
    type Item = u8;
}

// Trait
pub trait Trait {
    type It;
    fn required(&self);
    fn provided(&self) {}
}

// zoom
#[must_use]
pub fn zoom(x: u8) -> u8;

// kit::Pair
pub struct Pair(/* private */, pub u16);
impl fmt::Debug for Pair {}
"
        );
    }
}
