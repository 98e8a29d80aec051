"""Checks conda/recipe.yaml with rattler-build, by which conda-forge builds: python tools/conda_recipe.py

The recipe is parsed strictly and rendered for each platform and Python that pyproject.toml declares; nothing is fetched or built.
Needs `pip install py-rattler-build`. With

    python tools/conda_recipe.py --release dist/dezero_c-X.Y.Z.tar.gz --url URL --homepage URL --maintainer NAME

it prints the recipe for conda-forge besides, whose source has an address and a checksum and which names who looks after it:
the file that is meant, where it is to be had, the project's page, a name on GitHub. The checked-in recipe cannot have these;
the sdist holds it, and so would hold its own checksum.
"""

import argparse
import hashlib
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "conda" / "recipe.yaml"
PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")


class Wrong(Exception):
    """The recipe, or what is asked for, is not right; the text says what."""


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pythons():
    return [found[1] for line in project()["classifiers"] if (found := re.fullmatch(r".*:: Python :: (3\.\d+)", line))]


def rendered(text):
    """[(platform, Python, the recipe as a dict)] of all that are built of the text."""
    from rattler_build import PlatformConfig, RattlerBuildError, RenderConfig, Stage0Recipe, VariantConfig

    try:
        recipe = Stage0Recipe.from_yaml(text)
    except RattlerBuildError as error:
        raise Wrong(f"rattler-build does not take the recipe: {error}") from None
    made = []
    for platform in PLATFORMS:
        # the compilers' names as conda-forge pins them
        library = {"linux": "sysroot", "osx": "macosx_deployment_target", "win": "vs"}[platform.partition("-")[0]]
        variants = VariantConfig({"python": [f"{version}.* *_cp3{version[2:]}" for version in pythons()], "c_stdlib": [library]})
        try:
            each = recipe.render(variants, RenderConfig(platform=PlatformConfig(target_platform=platform)))
        except RattlerBuildError as error:
            raise Wrong(f"rattler-build does not render the recipe for {platform}: {error}") from None
        made += [(platform, str(variant.recipe.used_variant["python"]), variant.recipe.to_dict()) for variant in each]
    return made


def needs():
    """({what a build needs}, {what a run needs}) by pyproject.toml, as recipes write it: `numpy >=2.0,!=2.5.0`."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = (document["build-system"]["requires"], document["project"]["dependencies"])
    build, run = ({re.sub(r"^([\w-]+)(?=[<>=!])", r"\1 ", each) for each in part} for part in found)
    return build | {"python", "pip"}, run | {"python"}


def check(text):
    """Lines that say what was made of the text; Wrong where something lacks."""
    about, made = project(), rendered(text)
    oldest = about["requires-python"].removeprefix(">=")
    if f'\n  skip: match(python, "<{oldest}")\n' not in text:      # which rendering alone does not look at
        raise Wrong(f"pyproject.toml asks for Python {oldest} or newer: skip: match(python, \"<{oldest}\")")
    wanted = len(PLATFORMS) * len(pythons())
    if len(made) != wanted:
        raise Wrong(f"{len(made)} packages are made of the recipe, {wanted} are wanted: each declared Python on each platform")
    for platform, python, recipe in made:
        if str(recipe["package"]["version"]) != about["version"]:
            raise Wrong(f"the recipe is of {recipe['package']['version']}, pyproject.toml of {about['version']}")
        for part, wants in zip(("host", "run"), needs(), strict=True):
            if set(recipe["requirements"][part]) != wants:
                raise Wrong(f"the recipe's {part} are {recipe['requirements'][part]}, pyproject.toml's {sorted(wants)}")
        if not recipe.get("tests"):
            raise Wrong(f"no tests for {platform}, Python {python}")
    return [f"{platform}: CPython {', '.join(python.split('.*')[0] for where, python, _ in made if where == platform)}"
            for platform in PLATFORMS]


def release(text, sdist, url, homepage, maintainer):
    """The recipe with the sdist's address and checksum, the project's page and who looks after it."""
    if sdist.name != f"dezero_c-{project()['version']}.tar.gz":
        raise Wrong(f"{sdist.name} is not the sdist of {project()['version']}")
    for address in (url, homepage):
        if not re.fullmatch(r"https://[\w.-]+\.\w+/\S+", address):
            raise Wrong(f"{address!r}: give an address that begins with https://")
    if not re.fullmatch(r"[A-Za-z0-9](?:-?[A-Za-z0-9])*", maintainer):
        raise Wrong(f"{maintainer!r} is no name on GitHub")
    checksum = hashlib.sha256(sdist.read_bytes()).hexdigest()
    text = re.sub(r"\A(?:#.*\n)+", "", text)
    text, sources = re.subn(r"^  path: .*\n", lambda _: f"  url: {url}\n  sha256: {checksum}\n", text, flags=re.MULTILINE)
    text, pages = re.subn(r"^about:\n", lambda _: f"about:\n  homepage: {homepage}\n", text, flags=re.MULTILINE)
    if (sources, pages) != (1, 1):
        raise Wrong("the recipe has not one `path:` and one `about:`")
    return f"{text}\nextra:\n  recipe-maintainers:\n    - {maintainer}\n"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="conda_recipe.py", description="Checks conda/recipe.yaml with rattler-build.")
    parser.add_argument("--release", type=Path, metavar="SDIST", help="print the recipe for conda-forge, of this sdist")
    for name, what in (("url", "where the sdist is to be had"), ("homepage", "the project's page"), ("maintainer", "on GitHub")):
        parser.add_argument(f"--{name}", help=what)
    options = parser.parse_args(arguments)
    if options.release and not (options.url and options.homepage and options.maintainer):
        parser.error("--release needs --url, --homepage and --maintainer")
    text = RECIPE.read_text(encoding="utf-8")
    try:
        if options.release:
            text = release(text, options.release, options.url, options.homepage, options.maintainer)
        lines = check(text)
    except Wrong as error:
        print(f"conda_recipe: {error}", file=sys.stderr)
        return 1
    except ImportError:
        print("conda_recipe: rattler-build is not here: python -m pip install py-rattler-build", file=sys.stderr)
        return 2
    print("\n".join(lines), file=sys.stderr if options.release else sys.stdout)
    if options.release:
        print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
