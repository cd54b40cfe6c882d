"use strict";(self.rspackChunkjupyter_dbx_agents=self.rspackChunkjupyter_dbx_agents||[]).push([[266],{38(e,t,n){var r=n(36),o=n.n(r),a=n(37),i=(n.n(a))()(o());i.push([e.id,`/* The status bar centres the text of labels, but not of buttons. */
.jp-DbxAgents-StatusItem {
  display: flex;
  align-items: center;
}

.jp-DbxAgents-StatusItem button {
  border: 0;
  background: none;
  color: inherit;
  font: inherit;
  padding: 0 6px;
  cursor: pointer;
  white-space: nowrap;
  font-variant-numeric: tabular-nums;
}

.jp-DbxAgents-StatusItem button::before {
  content: "";
  display: inline-block;
  width: 8px;
  height: 8px;
  margin-right: 6px;
  border-radius: 50%;
  background: var(--jp-ui-font-color3);
}

.jp-DbxAgents-StatusItem button[data-level="good"]::before {
  background: var(--jp-success-color1);
}

.jp-DbxAgents-StatusItem button[data-level="warning"]::before {
  background: var(--jp-warn-color1);
}

.jp-DbxAgents-StatusItem button[data-level="bad"]::before {
  background: var(--jp-error-color1);
}

.jp-DbxAgents-StatusItem button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -2px;
}

.jp-DbxAgents-PatDialog .jp-Dialog-content {
  width: 480px;
  max-width: 92vw;
  max-height: 94vh; /* and not JupyterLab's 80: it fits a low window whole */
}

.jp-DbxAgents-PatForm p {
  margin: 8px 0;
}

.jp-DbxAgents-PatForm ol {
  margin: 8px 0;
  padding-left: 1.4em;
}

.jp-DbxAgents-PatForm li {
  margin: 8px 0;
}

.jp-DbxAgents-PatForm a {
  color: var(--jp-content-link-color);
  text-decoration: underline;
}

.jp-DbxAgents-PatForm input {
  display: block;
  box-sizing: border-box;
  width: 100%;
  margin-top: 4px;
}

.jp-DbxAgents-PatForm a.jp-DbxAgents-signIn {
  display: inline-block;
  padding: 4px 12px;
  border-radius: var(--jp-border-radius);
  background: var(--jp-brand-color1);
  color: var(--jp-ui-inverse-font-color1);
  text-decoration: none;
}

.jp-DbxAgents-picture {
  display: block;
  width: 100%;
  margin-top: 4px;
  font-family: var(--jp-ui-font-family);
  font-size: 12px;
  fill: var(--jp-ui-font-color1);
}

.jp-DbxAgents-picture rect,
.jp-DbxAgents-picture path {
  fill: none;
  stroke: var(--jp-border-color0);
}

.jp-DbxAgents-picture rect.jp-mod-marked {
  stroke: var(--jp-success-color1);
  stroke-width: 2;
}

.jp-DbxAgents-error {
  min-height: 1.4em;
  color: var(--jp-error-color1);
}

.jp-DbxAgents-small {
  font-size: var(--jp-ui-font-size0);
  color: var(--jp-ui-font-color1);
}

.jp-DbxAgents-Panel {
  overflow: auto;
  padding: 0 12px 16px;
  color: var(--jp-ui-font-color1);
  background: var(--jp-layout-color1);
  font-size: var(--jp-ui-font-size1);
}

.jp-DbxAgents-Panel h2 {
  margin: 16px 0 6px;
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
  border-bottom: 1px solid var(--jp-border-color2);
  padding-bottom: 2px;
}

.jp-DbxAgents-Panel:focus {
  outline: none; /* its first control is the next stop */
}

.jp-DbxAgents-Panel p {
  margin: 4px 0;
  overflow-wrap: anywhere;
}

.jp-DbxAgents-Panel section > :last-child {
  margin-bottom: 0;
}

.jp-DbxAgents-Panel ul,
.jp-DbxAgents-candidates ul {
  list-style: none;
  margin: 0;
  padding: 0;
}

.jp-DbxAgents-Panel li {
  padding: 4px 0;
}

.jp-DbxAgents-candidates li,
.jp-DbxAgents-line {
  display: flex;
  align-items: center;
  gap: 6px;
}

.jp-DbxAgents-grow,
.jp-DbxAgents-candidates li span {
  flex: 1;
  min-width: 0;
  overflow-wrap: anywhere;
}

.jp-DbxAgents-line + .jp-DbxAgents-line {
  margin-top: 3px;
}

.jp-DbxAgents-name {
  flex: 1;
  min-width: 0;
  overflow: hidden;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-DbxAgents-line:has(> .jp-DbxAgents-name) .jp-DbxAgents-state {
  white-space: nowrap;
}

.jp-DbxAgents-buttons {
  display: flex;
  gap: 6px;
  margin: 6px 0;
}

.jp-DbxAgents-Panel button.jp-mod-styled,
.jp-DbxAgents-candidates button.jp-mod-styled {
  height: 24px;
  line-height: 24px;
  padding: 0 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  letter-spacing: 0;
}

.jp-DbxAgents-Panel button.jp-mod-styled:hover:enabled {
  background: var(--jp-layout-color3);
}

.jp-DbxAgents-Panel button.jp-mod-styled:disabled {
  opacity: 0.55;
  cursor: default;
}

.jp-DbxAgents-Panel :is(button, input, select, summary):focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

.jp-DbxAgents-Panel select.jp-mod-styled {
  appearance: auto; /* its arrow is what tells it from a field */
  width: 100%;
  height: 24px;
  margin-top: 4px;
  padding: 0 4px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  font: inherit;
  font-size: var(--jp-ui-font-size0);
}

.jp-DbxAgents-Panel input[type="checkbox"] {
  margin: 0;
}

.jp-DbxAgents-Panel label svg {
  display: block;
}

.jp-DbxAgents-Panel summary {
  cursor: pointer;
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
}

.jp-DbxAgents-Panel details {
  font-size: var(--jp-ui-font-size0);
  overflow-wrap: anywhere;
}

.jp-DbxAgents-Panel progress,
.jp-DbxAgents-Panel meter {
  width: 100%;
}

.jp-DbxAgents-Panel table {
  width: 100%;
  border-collapse: collapse;
  font-size: var(--jp-ui-font-size0);
}

.jp-DbxAgents-Panel :is(th, td) {
  padding: 3px 0 3px 6px;
  text-align: right;
  vertical-align: top;
  font-weight: normal;
  font-variant-numeric: tabular-nums;
  white-space: nowrap;
}

.jp-DbxAgents-Panel :is(th, td):first-child {
  padding-left: 0;
  text-align: left;
  white-space: normal;
}

.jp-DbxAgents-Panel thead {
  color: var(--jp-ui-font-color2);
}

.jp-DbxAgents-Panel td svg {
  display: block;
  margin: 2px 0 0 auto;
}

.jp-DbxAgents-Panel polyline {
  fill: none;
  stroke: var(--jp-brand-color1);
  stroke-width: 1.5;
}

.jp-DbxAgents-facts {
  display: flex;
  flex-wrap: wrap;
  gap: 0 12px;
}

.jp-DbxAgents-clock {
  font-variant-numeric: tabular-nums;
}

.jp-DbxAgents-quiet {
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size0);
}

.jp-DbxAgents-bad {
  color: var(--jp-error-color1);
}

.jp-DbxAgents-Panel td .jp-DbxAgents-bad {
  display: block;
}

.jp-DbxAgents-state::before {
  content: "";
  display: inline-block;
  width: 8px;
  height: 8px;
  margin-right: 5px;
  border-radius: 50%;
  background: var(--jp-ui-font-color3);
}

.jp-DbxAgents-state[data-level="good"]::before {
  background: var(--jp-success-color1);
}

.jp-DbxAgents-state[data-level="warning"]::before {
  background: var(--jp-warn-color1);
}

.jp-DbxAgents-state[data-level="bad"]::before {
  background: var(--jp-error-color1);
}

.jp-DbxAgents-banner,
.jp-DbxAgents-hint {
  position: absolute;
  right: 24px;
  z-index: 10;
  max-width: calc(100% - 60px);
  box-sizing: border-box;
  padding: 6px 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  box-shadow: var(--jp-elevation-z4);
  font-size: var(--jp-ui-font-size1);
}

.jp-DbxAgents-banner {
  top: 12px;
  max-height: calc(100% - 24px);
  overflow: auto;
  overflow-wrap: anywhere;
  white-space: pre-line; /* a line for each of several files */
}

.jp-DbxAgents-hint {
  top: 50%; /* shells begin above it, and agents have their prompt below */
  transform: translateY(-50%);
}

.jp-DbxAgents-hint p {
  margin: 2px 0;
}

:is(.jp-DbxAgents-banner, .jp-DbxAgents-hint) button {
  margin: 2px 0 2px 8px;
  padding: 2px 10px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  font: inherit;
  cursor: pointer;
}

.jp-DbxAgents-hint button {
  display: block;
  margin-left: auto;
}

:is(.jp-DbxAgents-banner, .jp-DbxAgents-hint) button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

/* What this app is for comes first: agents, projects, and a terminal without scrolling. */
.jp-Launcher-content:has([data-category="Agents"]) {
  display: flex;
  flex-direction: column;
}

.jp-Launcher-section:has([data-category="Agents"]) {
  order: -3;
}

.jp-Launcher-section:has([data-category="Projects"]) {
  order: -2;
}

.jp-Launcher-content:has([data-category="Agents"])
  .jp-Launcher-section:has([data-category="Other"]) {
  order: -1;
}
`,""]),n.d(t,{},{A:i})},35(e,t,n){var r=n(36),o=n.n(r),a=n(37),i=n.n(a),s=n(38),p=i()(o());p.i(s.A),p.push([e.id,`
`,""]),n.d(t,{},{A:p})},37(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var n="",r=void 0!==t[5];return t[4]&&(n+="@supports (".concat(t[4],") {")),t[2]&&(n+="@media ".concat(t[2]," {")),r&&(n+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),n+=e(t),r&&(n+="}"),t[2]&&(n+="}"),t[4]&&(n+="}"),n}).join("")},t.i=function(e,n,r,o,a){"string"==typeof e&&(e=[[null,e,void 0]]);var i={};if(r)for(var s=0;s<this.length;s++){var p=this[s][0];null!=p&&(i[p]=!0)}for(var l=0;l<e.length;l++){var c=[].concat(e[l]);r&&i[c[0]]||(void 0!==a&&(void 0===c[5]||(c[1]="@layer".concat(c[5].length>0?" ".concat(c[5]):""," {").concat(c[1],"}")),c[5]=a),n&&(c[2]&&(c[1]="@media ".concat(c[2]," {").concat(c[1],"}")),c[2]=n),o&&(c[4]?(c[1]="@supports (".concat(c[4],") {").concat(c[1],"}"),c[4]=o):c[4]="".concat(o)),t.push(c))}},t}},36(e){e.exports=function(e){return e[1]}},28(e,t,n){n.r(t);var r=n(29),o=n.n(r),a=n(30),i=n.n(a),s=n(31),p=n.n(s),l=n(32),c=n.n(l),d=n(33),u=n.n(d),b=n(34),g=n.n(b),x=n(35),f={};f.styleTagTransform=g(),f.setAttributes=c(),f.insert=p().bind(null,"head"),f.domAPI=i(),f.insertStyleElement=u(),o()(x.A,f);let j=x.A&&x.A.locals?x.A.locals:void 0;n.d(t,{},{default:j})},29(e){var t=[];function n(e){for(var n=-1,r=0;r<t.length;r++)if(t[r].identifier===e){n=r;break}return n}function r(e,r){for(var o={},a=[],i=0;i<e.length;i++){var s=e[i],p=r.base?s[0]+r.base:s[0],l=o[p]||0,c="".concat(p," ").concat(l);o[p]=l+1;var d=n(c),u={css:s[1],media:s[2],sourceMap:s[3],supports:s[4],layer:s[5]};if(-1!==d)t[d].references++,t[d].updater(u);else{var b=function(e,t){var n=t.domAPI(t);return n.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&n.update(e=t):n.remove()}}(u,r);r.byIndex=i,t.splice(i,0,{identifier:c,updater:b,references:1})}a.push(c)}return a}e.exports=function(e,o){var a=r(e=e||[],o=o||{});return function(e){e=e||[];for(var i=0;i<a.length;i++){var s=n(a[i]);t[s].references--}for(var p=r(e,o),l=0;l<a.length;l++){var c=n(a[l]);0===t[c].references&&(t[c].updater(),t.splice(c,1))}a=p}}},31(e){var t={};e.exports=function(e,n){var r=function(e){if(void 0===t[e]){var n=document.querySelector(e);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(e){n=null}t[e]=n}return t[e]}(e);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(n)}},33(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},32(e,t,n){e.exports=function(e){var t=n.nc;t&&e.setAttribute("nonce",t)}},30(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(n){var r,o,a;r="",n.supports&&(r+="@supports (".concat(n.supports,") {")),n.media&&(r+="@media ".concat(n.media," {")),(o=void 0!==n.layer)&&(r+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),r+=n.css,o&&(r+="}"),n.media&&(r+="}"),n.supports&&(r+="}"),(a=n.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),e.styleTagTransform(r,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},34(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}}}]);