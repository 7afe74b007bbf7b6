// For scripts/setup/install.mjs: packages are packed.
export const installPackages = () => Promise.resolve();
