/** WGSL sources are imported as text; the bundler and the test runner both load them that way. */
declare module '*.wgsl' {
  const source: string;
  export default source;
}
