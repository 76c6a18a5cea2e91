// What doc comments of the public surface must say, and where they do not. Read with TypeScript itself, so that it is fast enough
// for every test run.
import { relative } from 'node:path';
import ts from 'typescript';
import { ROOT } from './repository.mjs';
import { MODULES } from './surface.mjs';

/** Numbers with such names have a unit, in their name or in their comment. */
const NEEDS_UNIT =
  /^(time|duration|timeout|delay|interval|age|radius|area|longEdge|budget|fps)$|(Time|Duration|Timeout|Delay|Interval|Radius|Area|Edge|Budget)$/;
const UNIT =
  /second|millisecond|\bms\b|minute|hour|pixel|byte|\bMB\b|frame|token|cell|share|0\.\.1|0 to 1|per cent|stride|column|element/i;
/** A shape, such as [M, K] or [height, width, 3]; or a word where any shape will do. */
const SHAPE = /\[[^\]]*\]|shape|scalar|elements?\b/i;
/** Where an operation or a network comes from: a paper, a program, or a definition. */
const SOURCE =
  /https?:\/\/|arXiv|paper|PyTorch|OpenCV|Pillow|TensorFlow|\btfjs\b|equation|\.py\b|\bet al\b|timm|DETR|AOT\b|Segment Anything|Grounding DINO|SAM 2|MobileNetV2|\b(19|20)\d\d\b/i;
/**
 * Interfaces of what programs give: what they may leave out they may also give as undefined, as it comes from options of their own, under
 * `exactOptionalPropertyTypes` too.
 */
const OPTIONS = /(Options|Prompt|Range)$/;

const isTensor = (type) => /^Tensor(Info|[1-6]D)?(<.*>)?( \| undefined)?$/.test(type);

/**
 * Everything that is missing, as sentences that name symbol and place.
 * @param modules Their names and source files.
 */
export function findGaps(modules = MODULES) {
  const { options } = ts.parseJsonConfigFileContent(
    { extends: `${ROOT}tsconfig.base.json` },
    ts.sys,
    `${ROOT}docs`,
    { skipLibCheck: true },
    `${ROOT}docs/tsconfig.json`,
  );
  const program = ts.createProgram(
    [...modules.map(({ file }) => file), `${ROOT}packages/pipeline/src/wgsl.d.ts`],
    options,
  );
  const checker = program.getTypeChecker();
  const gaps = new Map();
  const seen = new Set();
  const exportsOf = (file) => checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)));
  const publicNames = new Set(modules.flatMap(({ file }) => exportsOf(file).map((symbol) => symbol.name)));

  const textOf = (symbol) => {
    const tags = symbol.getJsDocTags(checker).map(({ name, text = [] }) => `@${name} ${ts.displayPartsToString(text)}`);
    return [ts.displayPartsToString(symbol.getDocumentationComment(checker)), ...tags].join('\n').trim();
  };
  const report = (symbol, owner, missing) => {
    const declaration = symbol.declarations[0];
    const source = declaration.getSourceFile();
    const { line } = source.getLineAndCharacterOfPosition(declaration.getStart());
    const name = owner ? `${owner.name}.${symbol.name}` : symbol.name;
    gaps.set(`${relative(ROOT, source.fileName)}:${line + 1} ${name}: ${missing}`, true);
  };

  /** Errors that a body throws itself. */
  const thrownIn = (body) => {
    const names = new Set();
    const visit = (node) => {
      if (ts.isFunctionLike(node)) return;
      if (ts.isTryStatement(node) && node.catchClause) {
        // What is thrown there is caught there.
        visit(node.catchClause);
        if (node.finallyBlock) visit(node.finallyBlock);
        return;
      }
      if (ts.isThrowStatement(node) && node.expression && ts.isNewExpression(node.expression)) {
        names.add(node.expression.expression.getText());
      }
      if (ts.isThrowStatement(node) && /^call\.wrong\(/.test(node.expression?.getText() ?? '')) names.add('ShapeError');
      ts.forEachChild(node, visit);
    };
    ts.forEachChild(body, visit);
    return names;
  };

  /** The function behind a declaration: itself, or what a constant is set to; of an operation, its `run`. */
  const functionOf = (declaration) => {
    if (ts.isFunctionLike(declaration)) return declaration;
    const value = declaration.initializer;
    if (!value) return undefined;
    if (ts.isFunctionLike(value)) return value;
    if (!ts.isCallExpression(value) || value.expression.getText() !== 'defineOp') return undefined;
    return value.arguments[0].properties.find((property) => property.name?.getText() === 'run');
  };

  const checkFunction = (symbol, owner, text) => {
    const context = owner ? `${text}\n${textOf(owner)}` : text;
    for (const declaration of symbol.declarations) {
      const body = functionOf(declaration);
      if (!body?.body) continue;
      for (const error of thrownIn(body.body)) {
        if (error !== 'Error' && !context.includes(error))
          report(symbol, owner, `throws ${error}, and does not say so`);
      }
      const parameters = body.parameters.filter((parameter) => {
        const type = checker.typeToString(checker.getTypeAtLocation(parameter));
        return isTensor(type);
      });
      if (parameters.length > 0 && !SHAPE.test(text))
        report(symbol, owner, 'takes tensors, and does not say their shapes');
    }
  };

  const checkMember = (symbol, owner) => {
    const [declaration] = symbol.declarations ?? [];
    const file = declaration?.getSourceFile().fileName ?? '';
    if (!file.startsWith(ROOT) || file.includes('node_modules')) return;
    if (ts.getCombinedModifierFlags(declaration) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) return;
    if (/^(__|#|constructor$|dispose$|forward$|toString$)/.test(symbol.name)) return;
    if (OPTIONS.test(owner.name) && declaration.questionToken && !/\bundefined$/.test(declaration.type?.getText())) {
      report(symbol, owner, 'can be left out, and not be undefined');
    }
    const text = textOf(symbol);
    const type = checker.getTypeOfSymbol(symbol);
    const named = checker.typeToString(type);
    if (type.getCallSignatures().length > 0) {
      // What implements an interface is described there; members such as `OpSet.gemm` by what they are called after.
      const described =
        declaration.parent.heritageClauses?.length > 0 ||
        (ts.isPropertySignature(declaration) && publicNames.has(symbol.name));
      if (!text && !described) report(symbol, owner, 'has no doc comment');
      checkFunction(symbol, owner, described ? `${text} (any shape)` : text);
    } else if (isTensor(named)) {
      if (!SHAPE.test(text)) report(symbol, owner, 'is a tensor, and does not say its shape');
    } else if (/^number( \| undefined)?$/.test(named) && NEEDS_UNIT.test(symbol.name)) {
      if (!UNIT.test(`${symbol.name} ${text} ${textOf(owner)}`)) report(symbol, owner, 'does not say its unit');
    }
  };

  for (const { name, file } of modules) {
    const source = program.getSourceFile(file);
    if (!/^(\/\/\/.*\n)*\/\*\*[\s\S]*?@module[\s\S]*?\*\//.test(source.text))
      gaps.set(`${name}: the module has no doc comment`, true);
    for (const exported of exportsOf(file)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (seen.has(symbol) || !symbol.declarations) continue;
      seen.add(symbol);
      const text = textOf(symbol);
      if (!text) report(symbol, undefined, 'has no doc comment');
      checkFunction(symbol, undefined, text);
      const [declaration] = symbol.declarations;
      const operation =
        ts.isVariableDeclaration(declaration) && /^Op</.test(checker.typeToString(checker.getTypeOfSymbol(symbol)));
      const network =
        ts.isClassDeclaration(declaration) &&
        /^@samtrack\/models/.test(name) &&
        /Model$|^DeAot$|^GroundingDino$|Tracker$/.test(symbol.name);
      if ((operation || network) && !SOURCE.test(text)) report(symbol, undefined, 'does not say where it comes from');
      for (const member of symbol.members?.values() ?? []) checkMember(member, symbol);
      for (const member of symbol.exports?.values() ?? []) if (ts.isClassLike(declaration)) checkMember(member, symbol);
    }
  }
  return { gaps: [...gaps.keys()].sort(), symbols: seen.size };
}
