import type { ObjectStyle, Presenter, Scene } from './presenter.js';
import { FRAGMENT, VERTEX } from './shaders.js';

/** Entries of the table of styles, one for each possible id: a texture of 256 x 256. */
const TABLE_SIDE = 256;

const FLAGS = { hidden: 1, locked: 2, selected: 4, hovered: 8, stale: 16 } as const;
const MODES = { overlay: 0, outline: 1, mask: 2, cutout: 3, original: 4 } as const;

type Textures = Record<'frame' | 'labels' | 'styles' | 'preview', WebGLTexture>;

/** A style as a texel: colour, and flags in the last byte. */
function texel({ colour, ...style }: ObjectStyle): number[] {
  let flags = 0;
  for (const [name, flag] of Object.entries(FLAGS)) if (style[name as keyof typeof FLAGS]) flags |= flag;
  return [...colour, flags];
}

/**
 * Draws with WebGL 2, which is there where WebGPU is not, and stays when the WebGPU device is lost. One pass over the canvas: the
 * frame, the label map and a table of styles give each pixel its colour, so that zoom costs nothing and outlines are as wide on the
 * screen at any zoom.
 */
export class WebGlPresenter implements Presenter {
  readonly kind = 'webgl2';
  readonly largestSide: number;
  readonly #gl: WebGL2RenderingContext;
  #program!: WebGLProgram;
  #textures!: Textures;
  #shown: { frame?: Uint8Array; labels?: Uint16Array | 'none'; preview?: Uint8Array | 'none' } = {};

  /**
   * @param onLost what the canvas showed is gone, with the GPU's process, and it shows nothing any more. It is not waited for until the
   * browser restores it: with software rendering Chromium's page crashes then.
   * @throws Error where the canvas gives no such context
   */
  constructor(
    private readonly canvas: OffscreenCanvas,
    onLost: () => void,
  ) {
    const gl = canvas.getContext('webgl2', { alpha: true, antialias: false, premultipliedAlpha: true });
    if (!gl) throw new Error('no WebGL 2');
    this.#gl = gl;
    this.largestSide = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    this.#build();
    canvas.addEventListener('webglcontextlost', onLost);
  }

  resize(width: number, height: number): void {
    this.canvas.width = width;
    this.canvas.height = height;
  }

  draw(scene: Scene): void {
    const gl = this.#gl;
    if (gl.isContextLost()) return;
    const { frame, labels, preview, viewport, mode, opacity, previewColour } = scene;
    this.#upload(scene);
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.#program);
    const at = (name: string) => gl.getUniformLocation(this.#program, name);
    for (const [unit, name] of (['frame', 'labels', 'styles', 'preview'] as const).entries()) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.#textures[name]);
      gl.uniform1i(at(name), unit);
    }
    gl.uniform2f(at('canvas'), this.canvas.width, this.canvas.height);
    gl.uniform2f(at('size'), frame.width, frame.height);
    gl.uniform3f(at('view'), viewport.left, viewport.top, viewport.scale);
    gl.uniform1f(at('opacity'), opacity);
    gl.uniform1i(at('mode'), MODES[mode]);
    gl.uniform2i(at('given'), labels ? 1 : 0, preview ? 1 : 0);
    gl.uniform3f(at('previewColour'), ...(previewColour.map((value) => value / 255) as [number, number, number]));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** Brings what has changed to the GPU. */
  #upload({ frame: { width, height, rgba }, labels, preview, styles }: Scene): void {
    const gl = this.#gl;
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    if (this.#shown.frame !== rgba) {
      this.#fill('frame', gl.RGBA8, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
      this.#shown.frame = rgba;
    }
    if (this.#shown.labels !== (labels?.data ?? 'none')) {
      this.#fill('labels', gl.R16UI, width, height, gl.RED_INTEGER, gl.UNSIGNED_SHORT, labels?.data ?? null);
      this.#shown.labels = labels?.data ?? 'none';
    }
    if (this.#shown.preview !== (preview ?? 'none')) {
      this.#fill('preview', gl.R8UI, width, height, gl.RED_INTEGER, gl.UNSIGNED_BYTE, preview ?? null);
      this.#shown.preview = preview ?? 'none';
    }
    const table = new Uint8Array(TABLE_SIDE * TABLE_SIDE * 4);
    for (const [id, style] of styles) table.set(texel(style), 4 * id);
    this.#fill('styles', gl.RGBA8, TABLE_SIDE, TABLE_SIDE, gl.RGBA, gl.UNSIGNED_BYTE, table);
  }

  #fill(
    name: keyof Textures,
    internal: number,
    width: number,
    height: number,
    format: number,
    type: number,
    data: ArrayBufferView | null,
  ): void {
    const gl = this.#gl;
    gl.bindTexture(gl.TEXTURE_2D, this.#textures[name]);
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, format, type, data);
  }

  #build(): void {
    const gl = this.#gl;
    const shader = (type: number, source: string) => {
      const built = gl.createShader(type)!;
      gl.shaderSource(built, source);
      gl.compileShader(built);
      if (!gl.getShaderParameter(built, gl.COMPILE_STATUS) && !gl.isContextLost()) {
        throw new Error(gl.getShaderInfoLog(built) ?? 'the shader does not compile');
      }
      return built;
    };
    const program = gl.createProgram();
    gl.attachShader(program, shader(gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(program, shader(gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(program);
    this.#program = program;
    const texture = (filter: number) => {
      const made = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, made);
      for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, filter);
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
        gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      }
      return made;
    };
    this.#textures = {
      frame: texture(gl.LINEAR),
      labels: texture(gl.NEAREST),
      styles: texture(gl.NEAREST),
      preview: texture(gl.NEAREST),
    };
    this.#shown = {};
  }
}
