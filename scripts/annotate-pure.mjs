// Marks what a module computes while it is loaded as free of side effects, so that bundlers drop what nobody uses.
import ts from 'typescript';

/** Whether evaluating an expression may run code, as far as a bundler can tell; functions that it only makes do not run. */
function mayRun(node) {
  if (ts.isFunctionLike(node) || ts.isTypeNode(node)) return false;
  if (
    ts.isCallExpression(node) ||
    ts.isNewExpression(node) ||
    ts.isPropertyAccessExpression(node) ||
    ts.isElementAccessExpression(node) ||
    ts.isSpreadAssignment(node) ||
    ts.isSpreadElement(node) ||
    ts.isTaggedTemplateExpression(node) ||
    ts.isTemplateExpression(node) ||
    ts.isBinaryExpression(node)
  ) {
    return true;
  }
  return Boolean(ts.forEachChild(node, (child) => mayRun(child) || undefined));
}

/**
 * Makes the value of each constant of a module that is not plainly a literal or a function that of a call marked as pure:
 * `const x = f(y)` becomes `const x = (() => (f(y)))()`, with the mark. For modules whose loading has no effects, as a package with
 * `"sideEffects": false` promises of all of its modules. Lines stay where they are.
 * @param {string} source TypeScript.
 * @param {string} path Of the file, for what is said of it.
 */
export function annotatePure(source, path) {
  const values = ts
    .createSourceFile(path, source, ts.ScriptTarget.Latest, true)
    .statements.filter(
      (statement) => ts.isVariableStatement(statement) && statement.declarationList.flags & ts.NodeFlags.Const,
    )
    .flatMap((statement) => statement.declarationList.declarations)
    .filter(({ name, initializer }) => ts.isIdentifier(name) && initializer && mayRun(initializer))
    .map(({ initializer }) => initializer);
  return values.reduceRight((text, value) => {
    const [start, end] = [value.getStart(), value.getEnd()];
    return `${text.slice(0, start)}/* @__PURE__ */ (() => (${text.slice(start, end)}))()${text.slice(end)}`;
  }, source);
}
