//! Finds the policies, before the core is compiled: each file of `policy/` is one, and nothing else
//! has to name it.

#![expect(clippy::print_stdout, reason = "so cargo is told")]

use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// The folder of policies, in that of the package.
const POLICIES: &str = "bandit/policy";

fn main() -> Result<(), Box<dyn Error>> {
    // Where the package lies now: the same program serves all clones that share a target directory.
    let package = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo says where the package lies")?;
    let folder = Path::new(&package).join(POLICIES);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.file_stem().ok_or("a file without a name")?;
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    let module =
        |name: &String| format!("#[path = {:?}]\nmod {name};\n", folder.join(format!("{name}.rs")));
    let kind = |name: &String| format!("&{name}::KIND, ");
    let text = format!(
        "{}\n/// Every kind of policy, in the order of the names of their files.\n\
         pub static KINDS: [&PolicyKind; {}] = [{}];\n",
        names.iter().map(module).collect::<String>(),
        names.len(),
        names.iter().map(kind).collect::<String>()
    );
    let target = env::var_os("OUT_DIR").ok_or("cargo says where to write")?;
    fs::write(Path::new(&target).join("policies.rs"), text)?;
    println!("cargo:rerun-if-changed={POLICIES}");
    Ok(())
}
