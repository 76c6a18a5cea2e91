/** One triangle over the whole canvas. */
export const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

/**
 * A pixel of the canvas. Outlines are drawn on both sides of an object's border, dark outside and in the object's colour inside, so
 * that they stand out from any video.
 */
export const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp usampler2D;

uniform sampler2D frame;
uniform usampler2D labels;
uniform sampler2D styles;
uniform usampler2D preview;
uniform vec2 canvas;
uniform vec2 size;
uniform vec3 view;
uniform float opacity;
uniform int mode;
uniform ivec2 given;
uniform vec3 previewColour;
out vec4 colour;

const int HIDDEN = 1, LOCKED = 2, SELECTED = 4, HOVERED = 8, STALE = 16;
const int OVERLAY = 0, OUTLINE = 1, MASK = 2, CUTOUT = 3, ORIGINAL = 4;

struct Style { vec3 colour; int flags; };

Style styleOf(uint id) {
  vec4 entry = texelFetch(styles, ivec2(int(id) & 255, int(id) >> 8), 0);
  return Style(entry.rgb, int(entry.a * 255.0 + 0.5));
}

ivec2 pixelAt(vec2 point) {
  return ivec2(clamp(floor((point - view.xy) / view.z), vec2(0.0), size - 1.0));
}

uint idAt(vec2 point) {
  if (given.x == 0) return 0u;
  uint id = texelFetch(labels, pixelAt(point), 0).r;
  return (styleOf(id).flags & HIDDEN) != 0 ? 0u : id;
}

bool previewAt(vec2 point) {
  return given.y != 0 && texelFetch(preview, pixelAt(point), 0).r != 0u;
}

const vec2 AROUND[8] = vec2[8](
  vec2(1, 0), vec2(-1, 0), vec2(0, 1), vec2(0, -1),
  vec2(0.7, 0.7), vec2(-0.7, 0.7), vec2(0.7, -0.7), vec2(-0.7, -0.7)
);

void main() {
  vec2 point = vec2(gl_FragCoord.x, canvas.y - gl_FragCoord.y);
  vec2 at = (point - view.xy) / view.z;
  if (at.x < 0.0 || at.y < 0.0 || at.x >= size.x || at.y >= size.y) { colour = vec4(0.0); return; }
  // Pixels are shown as such when they are large.
  vec3 video = view.z >= 4.0 ? texelFetch(frame, ivec2(at), 0).rgb : texture(frame, at / size).rgb;
  if (mode == ORIGINAL) { colour = vec4(video, 1.0); return; }

  uint id = idAt(point);
  Style own = styleOf(id);
  float reach = (own.flags & (SELECTED | HOVERED)) != 0 ? 2.5 : 1.6;
  bool inner = false;
  uint beside = 0u;
  bool previewEdge = false;
  bool inPreview = previewAt(point);
  for (int i = 0; i < 8; i++) {
    uint other = idAt(point + AROUND[i] * reach);
    if (other != id) { if (id != 0u) inner = true; if (other != 0u) beside = other; }
    if (previewAt(point + AROUND[i] * 2.0) != inPreview) previewEdge = true;
  }

  vec3 result = video;
  if (mode == MASK) result = id == 0u ? vec3(0.0) : own.colour;
  else if (mode == CUTOUT) {
    ivec2 field = ivec2(point / 10.0);
    if (id == 0u) result = ((field.x + field.y) & 1) == 0 ? vec3(0.17) : vec3(0.25);
  } else {
    if (mode == OVERLAY && id != 0u && (own.flags & LOCKED) == 0) {
      float fill = opacity + ((own.flags & HOVERED) != 0 ? 0.15 : 0.0);
      if ((own.flags & STALE) != 0) fill *= fract((point.x + point.y) / 10.0) < 0.5 ? 1.0 : 0.25;
      result = mix(video, own.colour, min(fill, 1.0));
    }
    if (inner) result = (own.flags & SELECTED) != 0 ? mix(own.colour, vec3(1.0), 0.55) : own.colour;
    else if (id == 0u && beside != 0u) result = mix(video, vec3(0.03, 0.04, 0.06), 0.85);
  }
  if (inPreview) result = mix(result, previewColour, 0.5);
  if (previewEdge) {
    float dash = fract((point.x - point.y) / 8.0);
    result = dash < 0.5 ? vec3(1.0) : vec3(0.05);
  }
  colour = vec4(result, 1.0);
}`;
