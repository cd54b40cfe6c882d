"use strict";(self.rspackChunkjupyter_dbx_agents=self.rspackChunkjupyter_dbx_agents||[]).push([[266],{27(t,e,n){var r=n(25),o=n.n(r),a=n(26),i=(n.n(a))()(o());i.push([t.id,`/* The status bar centres the text of labels, but not of buttons. */
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
  width: 460px;
  max-width: 90vw;
}

.jp-DbxAgents-PatForm ol {
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

.jp-DbxAgents-said {
  min-height: 1.4em;
  color: var(--jp-error-color1);
}

.jp-DbxAgents-small {
  font-size: var(--jp-ui-font-size0);
  color: var(--jp-ui-font-color1);
}
`,""]),n.d(e,{},{A:i})},24(t,e,n){var r=n(25),o=n.n(r),a=n(26),i=n.n(a),s=n(27),c=i()(o());c.i(s.A),c.push([t.id,`
`,""]),n.d(e,{},{A:c})},26(t){t.exports=function(t){var e=[];return e.toString=function(){return this.map(function(e){var n="",r=void 0!==e[5];return e[4]&&(n+="@supports (".concat(e[4],") {")),e[2]&&(n+="@media ".concat(e[2]," {")),r&&(n+="@layer".concat(e[5].length>0?" ".concat(e[5]):""," {")),n+=t(e),r&&(n+="}"),e[2]&&(n+="}"),e[4]&&(n+="}"),n}).join("")},e.i=function(t,n,r,o,a){"string"==typeof t&&(t=[[null,t,void 0]]);var i={};if(r)for(var s=0;s<this.length;s++){var c=this[s][0];null!=c&&(i[c]=!0)}for(var u=0;u<t.length;u++){var p=[].concat(t[u]);r&&i[p[0]]||(void 0!==a&&(void 0===p[5]||(p[1]="@layer".concat(p[5].length>0?" ".concat(p[5]):""," {").concat(p[1],"}")),p[5]=a),n&&(p[2]&&(p[1]="@media ".concat(p[2]," {").concat(p[1],"}")),p[2]=n),o&&(p[4]?(p[1]="@supports (".concat(p[4],") {").concat(p[1],"}"),p[4]=o):p[4]="".concat(o)),e.push(p))}},e}},25(t){t.exports=function(t){return t[1]}},17(t,e,n){n.r(e);var r=n(18),o=n.n(r),a=n(19),i=n.n(a),s=n(20),c=n.n(s),u=n(21),p=n.n(u),l=n(22),d=n.n(l),f=n(23),b=n.n(f),v=n(24),m={};m.styleTagTransform=b(),m.setAttributes=p(),m.insert=c().bind(null,"head"),m.domAPI=i(),m.insertStyleElement=d(),o()(v.A,m);let g=v.A&&v.A.locals?v.A.locals:void 0;n.d(e,{},{default:g})},18(t){var e=[];function n(t){for(var n=-1,r=0;r<e.length;r++)if(e[r].identifier===t){n=r;break}return n}function r(t,r){for(var o={},a=[],i=0;i<t.length;i++){var s=t[i],c=r.base?s[0]+r.base:s[0],u=o[c]||0,p="".concat(c," ").concat(u);o[c]=u+1;var l=n(p),d={css:s[1],media:s[2],sourceMap:s[3],supports:s[4],layer:s[5]};if(-1!==l)e[l].references++,e[l].updater(d);else{var f=function(t,e){var n=e.domAPI(e);return n.update(t),function(e){e?(e.css!==t.css||e.media!==t.media||e.sourceMap!==t.sourceMap||e.supports!==t.supports||e.layer!==t.layer)&&n.update(t=e):n.remove()}}(d,r);r.byIndex=i,e.splice(i,0,{identifier:p,updater:f,references:1})}a.push(p)}return a}t.exports=function(t,o){var a=r(t=t||[],o=o||{});return function(t){t=t||[];for(var i=0;i<a.length;i++){var s=n(a[i]);e[s].references--}for(var c=r(t,o),u=0;u<a.length;u++){var p=n(a[u]);0===e[p].references&&(e[p].updater(),e.splice(p,1))}a=c}}},20(t){var e={};t.exports=function(t,n){var r=function(t){if(void 0===e[t]){var n=document.querySelector(t);if(window.HTMLIFrameElement&&n instanceof window.HTMLIFrameElement)try{n=n.contentDocument.head}catch(t){n=null}e[t]=n}return e[t]}(t);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(n)}},22(t){t.exports=function(t){var e=document.createElement("style");return t.setAttributes(e,t.attributes),t.insert(e,t.options),e}},21(t,e,n){t.exports=function(t){var e=n.nc;e&&t.setAttribute("nonce",e)}},19(t){t.exports=function(t){if("u"<typeof document)return{update:function(){},remove:function(){}};var e=t.insertStyleElement(t);return{update:function(n){var r,o,a;r="",n.supports&&(r+="@supports (".concat(n.supports,") {")),n.media&&(r+="@media ".concat(n.media," {")),(o=void 0!==n.layer)&&(r+="@layer".concat(n.layer.length>0?" ".concat(n.layer):""," {")),r+=n.css,o&&(r+="}"),n.media&&(r+="}"),n.supports&&(r+="}"),(a=n.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),t.styleTagTransform(r,e,t.options)},remove:function(){var t;null===(t=e).parentNode||t.parentNode.removeChild(t)}}}},23(t){t.exports=function(t,e){if(e.styleSheet)e.styleSheet.cssText=t;else{for(;e.firstChild;)e.removeChild(e.firstChild);e.appendChild(document.createTextNode(t))}}}}]);