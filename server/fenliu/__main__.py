"""`python -m fenliu`: the command line."""

from fenliu.cli import main

if __name__ == "__main__":
    main(prog_name="fenliu")
