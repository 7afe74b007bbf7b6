// For scripts/setup/build.mjs: the app is built.
export const buildApp = () => Promise.resolve();
