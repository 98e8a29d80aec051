"""Formulas as the table has them: syntax trees, walked against a short list of what is allowed. Printers (kernels.py, rules.py)
say what each part becomes."""

import ast

from .table import COMPARE, IN_NODE, SPECIAL

BINARY = {ast.Add: ("+", "ADD"), ast.Sub: ("-", "SUB"), ast.Mult: ("*", "MUL"), ast.Div: ("/", "DIV")}


class Formula:
    """Walks a formula and asks the printer's methods for text; refuses what the table's contract does not name."""

    def __init__(self, op, field, table, backward):
        self.op, self.field, self.table = op, field, table
        self.arrays = set(op.args) | ({"y", "gy"} if backward else set())
        self.let = op.let
        self.within = [] if backward else [op.name]     # operations whose formula this is a part of, the outermost first
        self.naming = []                                # names of `let` likewise

    def fail(self, what):
        self.op.fail(f"{self.field}: {what}")

    def visit(self, node):
        match node:
            case ast.Constant(value=value) if isinstance(value, (int, float)) and not isinstance(value, bool):
                return self.number(value)
            case ast.Name(id=name) if name in self.arrays:
                return self.array(name)
            case ast.Name(id=name) if name in self.op.param_names:
                if self.op.param_names.index(name) >= IN_NODE:
                    self.fail(f"{name!r} is parameter {self.op.param_names.index(name) + 1}, and kernels have {IN_NODE}; name it "
                              "in `numpy` alone, or make it an argument")
                return self.param(name)
            case ast.Name(id=name) if name in self.let:
                if name in self.naming:
                    self.fail(f"{name!r} of let names itself: {' -> '.join([*self.naming, name])}")
                self.naming.append(name)
                text = self.local(name)
                self.naming.pop()
                return text
            case ast.Name(id="largest"):
                return self.largest()
            case ast.Name(id=name):
                self.fail(f"unknown name {name!r}; known are the arguments, the parameters, names of let, largest, and in "
                          "backward y and gy")
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
                return self.number(-value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.negative(self.visit(operand))
            case ast.BinOp(op=operator, left=left, right=right) if type(operator) in BINARY:
                if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
                    return self.number(eval(ast.unparse(node), {"__builtins__": {}}))  # two literal numbers
                return self.binary(type(operator), self.visit(left), self.visit(right))
            case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in COMPARE:
                return self.mask(COMPARE[type(operator)], self.visit(left), self.visit(right))
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                if len(args) != (arity := self.arity(name)):
                    self.fail(f"{name} takes {arity} argument{'s' if arity > 1 else ''}, not {len(args)}")
                for place in (0,) if name in ("ten", "polygamma1", "polygamma") else (1,) if name == "powm1" else ():
                    self.check_parameter(name, args[place])
                return self.call(name, args)
        self.fail(f"{ast.unparse(node)!r} is not allowed in a formula")

    def arity(self, name):
        if name in SPECIAL:
            return SPECIAL[name]
        if name in self.table.primitives:
            return self.table.primitives[name].args
        other = self.table.get(name)
        if other is None:
            self.fail(f"unknown function {name!r}; known are operations of the table, its primitives, {', '.join(SPECIAL)}")
        if other.params:
            self.fail(f"{name} has parameters; a formula calls operations without")
        if name in self.within:
            self.fail(f"it names itself: {' -> '.join([*self.within, name])}; only a primitive may be its own formula")
        return len(other.args)

    def check_parameter(self, function, node):
        """What is one number for all elements, not an array."""
        if not (isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in self.op.param_names)
                or (isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant))):
            self.fail(f"{function}: {ast.unparse(node)!r} must be a number or a parameter; it is one for all elements")
