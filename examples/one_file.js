// A cascade in layout `if` on ONNX Runtime for JavaScript, here its WebAssembly build; no code of calexnet.
// For bundles that take raw images, not for those exported with --input float.
//
//   npm install onnxruntime-web
//   node one_file.js BUNDLE IMAGES        # raw bytes, as many images as there are: height x width x channels each
const fs = require("fs");
const ort = require("onnxruntime-web"); // onnxruntime-node, or in a browser, likewise

async function main(bundle, images) {
  const manifest = JSON.parse(fs.readFileSync(`${bundle}/manifest.json`));
  const build = manifest.compiled.find((one) => one.layout === "if");
  const points = build.operating_points ?? manifest.operating_points;
  const point = points.find((one) => one.name === manifest.default_operating_point);
  const table = point.thresholds.flat().map((bar) => bar ?? Infinity); // null = never leaves there
  const thresholds = new ort.Tensor("float32", table, [point.thresholds.length, manifest.classes.length]);
  const session = await ort.InferenceSession.create(fs.readFileSync(`${bundle}/${build.segments[0].file.path}`));
  const shape = [1, manifest.preprocessing.height, manifest.preprocessing.width, manifest.preprocessing.mean.length];
  const size = shape.reduce((a, b) => a * b);
  const bytes = new Uint8Array(fs.readFileSync(images));
  for (let at = 0; at < bytes.length; at += size) {
    const image = new ort.Tensor("uint8", bytes.slice(at, at + size), shape);
    const { label, score, exit, probabilities } = await session.run({ image, thresholds });
    console.log(JSON.stringify([label.data[0], score.data[0], exit.data[0], [...probabilities.data]]));
  }
}

main(...process.argv.slice(2));
