# For every notebook here: `import dezero` and `from chapter1 import *` mean dezero_c, as after `%load_ext dezero_c`.
c = get_config()  # noqa: F821
c.InteractiveShellApp.extensions = ["dezero_c"]
